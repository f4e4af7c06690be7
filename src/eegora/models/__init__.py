"""One folder each; the registry lists them, nothing else does."""
