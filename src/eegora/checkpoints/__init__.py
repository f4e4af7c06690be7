"""Checkpoints: where they are (`resolve`), what is in them (`read`), whether all of it fits (`rename`), and seeded ones (`synthetic`)."""
