"""Saved embeddings on their way back to signal: are they whole, and are they this model's? Knows no model and no file format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegora.errors import UsageError
from eegora.preparation import Pace, Preparation
from eegora.provenance import UNTRAINED
from eegora.results.embeddings import Embeddings
from eegora.results.reconstruction import Reconstruction
from eegora.windows import Windows

if TYPE_CHECKING:
    from eegora.model import Model

WHOLE = "eegora embed RECORDING -o NAME.safetensors keeps every token"


def decoded(
    model: Model,
    function: Callable[..., Any] | None,
    source: Embeddings | str | Path,
    how: Preparation | None,
    pace: Pace,
) -> Reconstruction:
    """Decode embeddings with the settings that they were made with, but for those of the call.

    Parameters
    ----------
    model : Model
    function : callable or None
        The folder's `decode`.
    source : Embeddings or path
    how : Preparation or None
    pace : Pace
    """
    model.able("decode", function)
    embeddings = source if isinstance(source, Embeddings) else Embeddings.load(source)
    windows = windows_of(embeddings, model)
    made = embeddings.provenance.options
    settings = {name: made[name] for name in model.spec.settings if name in made}
    how = how or Preparation()
    how = replace(how, settings={**settings, **how.settings})
    data = model.answer("decode", windows, how, pace, latent=embeddings.data)
    return Reconstruction(data, windows, model.provenance("decode", windows, how))


def check_whole(embeddings: Embeddings) -> Windows:
    """Return the windows of embeddings that hold all that decoding needs.

    Raises
    ------
    UsageError
        ``not_whole``.
    """
    if embeddings.pooling is not None or embeddings.windows is None:
        what = f"pooled ({embeddings.pooling})" if embeddings.pooling else "without the way back to volts"
        raise UsageError("not_whole", f"these embeddings are {what}; decoding needs every token", hint=WHOLE)
    return embeddings.windows


def windows_of(embeddings: Embeddings, model: Model) -> Windows:
    """Return the windows, without samples, of embeddings that a model can decode.

    Raises
    ------
    UsageError
        ``not_whole`` for pooled embeddings; ``other_model``; ``other_checkpoint`` where one of the two is random.
    """
    made = embeddings.provenance
    if (made.model, made.variant) != (model.spec.name, model.variant):
        raise UsageError(
            "other_model",
            f"these embeddings are {made.model}-{made.variant}'s, the model is {model.spec.name}-{model.variant}",
            hint=f"--model {made.full_name}",
        )
    windows = check_whole(embeddings)
    here, there = model.checkpoint, made.checkpoint
    if here.get("seed") != there.get("seed"):
        raise UsageError(
            "other_checkpoint",
            f"these embeddings come from {there.get('name')}, the model is {here.get('name')}",
            hint=f"--untrained --seed {there['seed']}"
            if "seed" in there
            else "--checkpoint with the file they came from",
        )
    notes = tuple(note for note in windows.notes if note not in (*model.notes, UNTRAINED))
    if here.get("sha256") != there.get("sha256"):
        prints = here.get("fingerprint"), there.get("fingerprint")
        if all(prints) and prints[0] != prints[1]:
            raise UsageError(
                "other_checkpoint",
                f"these embeddings come from {there.get('name')}, whose numbers are not those of {here.get('name')}",
                hint="--checkpoint with the file they came from",
            )
        notes += (
            f"decoded with another checkpoint file ({here.get('name')}) than embedded with ({there.get('name')})",
        )
    return replace(windows, notes=notes)
