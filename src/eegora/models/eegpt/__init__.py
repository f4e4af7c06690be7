"""EEGPT (Wang et al., 2024): spec, network, heads, checkpoint, interpolation, inference, reference."""
