"""What `eegora.model.Model`'s verbs do: one file per way of windows or recordings through a network, and what must be so before."""
