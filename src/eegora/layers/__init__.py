"""Layers that several networks share exactly. They know no model; how fast they run is `eegora.compute`'s affair."""
