"""Any EEG recording through EEG foundation models: the originals' numbers, and a record of what was done to the data.

>>> import eegora
>>> model = eegora.load_model("luna-base", untrained=0)  # doctest: +SKIP
>>> model.embed("recording.edf").pool().to_table()  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eegora.errors import EegoraError as EegoraError
    from eegora.loading import load_model as load_model
    from eegora.model import Model as Model
    from eegora.preparation import Preparation as Preparation
    from eegora.recipes.prepare import prepare as prepare
    from eegora.recipes.recipe import Recipe as Recipe
    from eegora.recordings.read import read_recording as read_recording
    from eegora.results.attention import Attention as Attention
    from eegora.results.classification import Classification as Classification
    from eegora.results.embeddings import Embeddings as Embeddings
    from eegora.results.reconstruction import Reconstruction as Reconstruction
    from eegora.windows import Windows as Windows

# Name → the module it is imported from when somebody asks for it: `import eegora` itself costs nothing.
_HOME = {
    "Attention": "eegora.results.attention",
    "Classification": "eegora.results.classification",
    "EegoraError": "eegora.errors",
    "Embeddings": "eegora.results.embeddings",
    "Model": "eegora.model",
    "Preparation": "eegora.preparation",
    "Recipe": "eegora.recipes.recipe",
    "Reconstruction": "eegora.results.reconstruction",
    "Windows": "eegora.windows",
    "load_model": "eegora.loading",
    "prepare": "eegora.recipes.prepare",
    "read_recording": "eegora.recordings.read",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'eegora' has no attribute {name!r}; it has {', '.join(_HOME)}")


def __dir__() -> list[str]:
    return sorted(_HOME)
