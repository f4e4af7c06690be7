"""What comes out: arrays with named axes, their provenance, and whole files. Computes nothing and imports numpy only."""

from eegora.results.attention import Attention
from eegora.results.classification import Classification
from eegora.results.embeddings import Embeddings
from eegora.results.reconstruction import Reconstruction

__all__ = ["Attention", "Classification", "Embeddings", "Reconstruction"]
