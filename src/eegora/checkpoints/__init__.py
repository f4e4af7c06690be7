"""Checkpoint files: finding, reading, renaming, proving and writing them, and seeded ones. Knows no model."""
