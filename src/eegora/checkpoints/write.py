"""Checkpoint files as a whole or not at all: beside the target, to the disk, and only then under their name.

What is in them, and whether it is right, it leaves to whoever asks.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from eegora.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    import torch


def write_whole(path: Path, write: Callable[[Path], object], *, replace: bool = True) -> None:
    """Write beside the target, flush to the disk, and only then give the file its name.

    Parameters
    ----------
    path : Path
        In a folder that is there.
    write : callable
        Given the temporary name.
    replace : bool
        False refuses to replace a file, also one that came into being meanwhile.

    Raises
    ------
    OSError
        ``FileExistsError`` without `replace`; whatever the system refuses.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        if replace:
            temporary.replace(path)
        else:
            _name_once(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _name_once(temporary: Path, path: Path) -> None:
    """Give a file its name unless it is taken: a second link to it is refused by the system itself."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a disk without links
        if path.exists():
            raise FileExistsError(f"{path} exists") from None
        temporary.replace(path)


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write a new safetensors file; an existing one is never replaced.

    Parameters
    ----------
    path : Path
        Its folder is made if need be.
    tensors : dict of str to Tensor
        On the CPU.
    metadata : dict of str to str

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
        write_whole(path, lambda temporary: save_file(whole, temporary, dict(metadata)), replace=False)
    except FileExistsError:
        raise UsageError(
            "exists", f"{path} is there already; it was not touched", hint="-o with another name"
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
