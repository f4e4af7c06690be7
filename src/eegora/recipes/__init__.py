"""From a recording to the windows that a model takes: recipes as data, steps as functions. Knows no model and no file."""
