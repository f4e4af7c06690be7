"""From files to recordings and back: readers, channel names, positions, checks. Knows no model and no recipe."""
