"""What a model with its checkpoint can do, and what it answers where it cannot: other models, other checkpoints, or leave to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eegora import registry
from eegora.checkpoints.synthetic import SYNTHETIC
from eegora.errors import CheckpointError
from eegora.provenance import UNTRAINED
from eegora.spec import act

if TYPE_CHECKING:
    from eegora.model import Model


def check_able(model: Model, task: str, offered: bool, *, doubtful: bool = False) -> None:
    """Refuse a task that a model does not do.

    Parameters
    ----------
    model : Model
    task : str
    offered : bool
        Whether its code has such a function at all.
    doubtful : bool
        Let parameters that were never trained do it too.

    Raises
    ------
    UsageError
        ``no_such_task``: names the models that do.
    CheckpointError
        ``no_head``; ``untrained_part``.
    """
    if not offered:
        raise registry.no_such_task(model.spec, task)
    own = "--checkpoint FILE with a checkpoint of your own that was fine-tuned"
    if task in model.doubts and not doubtful:
        raise CheckpointError(
            "untrained_part",
            f"{model.checkpoint['name']}: {model.doubts[task]}; what it would {act(task)} means nothing",
            hint=f"{own} to {act(task)}"
            + ("; or --allow-untrained to see it all the same" if task == "classify" else ""),
        )
    if task not in (*model.tasks, *model.doubts):
        raise CheckpointError(
            "no_head",
            f"{model.checkpoint['name']} has no trained head to {act(task)}; it can {', '.join(map(act, model.tasks))}",
            hint=f"{own} to {task}" if task == "classify" else "--checkpoint with the published file",
        )


def untrained_notes(model: Model, task: str) -> tuple[str, ...]:
    """Return that the numbers of a task mean nothing, where they do not."""
    if model.untrained:
        return () if SYNTHETIC in model.notes else (UNTRAINED,)  # that note says it too
    return (f"untrained: {model.doubts[task]}; the numbers mean nothing",) if task in model.doubts else ()
