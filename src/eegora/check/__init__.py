"""Before a run: what a recording is, and whether a model can use it."""
