"""EEG-DINO (Wang et al., 2025)."""
