"""ZUNA (Zyphra, 2026), both generations: spec, network, checkpoint, sampling, inference, repair, reference."""
