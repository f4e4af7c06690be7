"""Any EEG recording through the foundation models, with the originals' numbers and a record of what was done."""
