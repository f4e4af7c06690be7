"""Checkpoint files, as a whole or not at all, in any number format.

What is in them, and whether it is right, it leaves to whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from eegora.errors import CheckpointError, UsageError
from eegora.whole import write_whole

if TYPE_CHECKING:
    import torch


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str], *, replace: bool = False
) -> None:
    """Write a safetensors file.

    Parameters
    ----------
    path : Path
        Its folder is made if need be.
    tensors : dict of str to Tensor
        On the CPU.
    metadata : dict of str to str
    replace : bool
        Take the place of a file of that name.

    Raises
    ------
    UsageError
        ``exists``, or ``cannot_write`` (permission, full disk).
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    whole = {key: tensor.contiguous() for key, tensor in tensors.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda temporary: save_file(whole, temporary, dict(metadata)), replace=replace)
    except FileExistsError:
        raise UsageError(
            "exists", f"{path} is there already; it was not touched", hint="--overwrite, or -o with another name"
        ) from None
    except OSError as error:
        raise UsageError(
            "cannot_write", f"cannot write {path}: {error.strerror or error}", hint="-o elsewhere"
        ) from None
    except SafetensorError as error:  # its own name for a full disk
        raise UsageError("cannot_write", f"cannot write {path}: {error}", hint="-o elsewhere") from None


def in_format(tensors: Mapping[str, torch.Tensor], dtype: str | None) -> dict[str, torch.Tensor]:
    """Bring floating-point tensors to another number format; None leaves each as it is.

    Raises
    ------
    CheckpointError
        ``out_of_range`` if a finite value becomes infinite.
    """
    import torch

    if dtype is None:
        return dict(tensors)
    number = getattr(torch, dtype)
    out = {key: t.to(number) if t.is_floating_point() else t for key, t in tensors.items()}
    too_large = [key for key, tensor in out.items() if not torch.isfinite(tensor).all()]
    if too_large:
        raise CheckpointError(
            "out_of_range",
            f"{dtype} cannot hold the values of {len(too_large)} tensors ({too_large[0]})",
            hint="--dtype bfloat16 or float32",
        )
    return out
