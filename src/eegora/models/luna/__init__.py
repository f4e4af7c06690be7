"""LUNA (Döner et al., 2025)."""
