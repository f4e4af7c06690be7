"""EEGPT (Wang et al., 2024)."""
