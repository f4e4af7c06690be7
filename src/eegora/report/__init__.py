"""Tables and figures of results: reads and draws, never computes a model."""
