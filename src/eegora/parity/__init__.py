"""Runs reference vectors through our code and judges every stage. Knows no model: a model's `reference` module maps cases to calls."""
