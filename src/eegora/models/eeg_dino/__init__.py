"""EEG-DINO (Wang et al., 2025): spec, network, checkpoint, inference, reference."""
