"""Where and in which number format to compute, and windows through a network in batches."""
