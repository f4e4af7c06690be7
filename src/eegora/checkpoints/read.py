"""Checkpoint files → CPU tensors: safetensors mapped (`mapped`), pickles only as far as they hold nothing but tensors.

It knows no model; names, shapes and values are judged by `rename`.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegora.checkpoints.mapped import MappedTensors
from eegora.errors import CheckpointError

if TYPE_CHECKING:
    import torch

SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
WRAPPERS = ("state_dict", "model")  # where training frameworks put the tensors, beside optimiser and epoch

ZIP, PICKLE = b"PK\x03\x04", b"\x80"
IMPOSTORS = {
    b"version https://git-lfs": "a Git LFS pointer, not the file it points to",
    b"<!DOCTYPE": "a web page, not a checkpoint",
    b"<html": "a web page, not a checkpoint",
    b"\x1f\x8b": "a gzip archive; unpack it first",
}


def read_tensors(path: Path | str) -> Mapping[str, torch.Tensor]:
    """Read every tensor of a checkpoint, on the CPU, in the number format of the file.

    Safetensors and zipped torch files are memory-mapped: a tensor costs memory only when it is touched, and one of a
    safetensors file only for a while. A pickle is read with ``weights_only``; the tensors may be the dictionary itself or its entry ``state_dict`` or ``model``.

    Parameters
    ----------
    path : path-like
        .safetensors, .pt, .pth, .ckpt or .bin; what counts is the content.

    Returns
    -------
    mapping of str to Tensor
        As the file names them.

    Raises
    ------
    CheckpointError
        ``not_found``, ``bad_checkpoint`` (unreadable, truncated, something else), ``unsafe_checkpoint`` (a pickle that
        would have to run code).
    """
    path = Path(path)
    if _is_pickle(_start(path)):
        return _read_pickle(path)
    with _safetensors(path):  # checks the header
        try:
            return MappedTensors(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError("bad_checkpoint", f"{path}: cannot be read ({error})") from None


def is_zipped(path: Path | str) -> bool:
    """Tell whether a file is a torch file of the kind that is mapped as a whole, so that reading it again costs nothing."""
    return _start(Path(path)).startswith(ZIP)


def read_metadata(path: Path | str) -> dict[str, str]:
    """Return the texts in a safetensors file's header; a pickle has none. Raises as `read_tensors`."""
    path = Path(path)
    if _is_pickle(_start(path)):
        return {}
    with _safetensors(path) as file:
        return dict(file.metadata() or {})


def read_config(path: Path | str) -> dict[str, Any]:
    """Read a config.json whose fields stand at its top or under ``model``.

    Raises
    ------
    CheckpointError
        ``not_found`` or ``bad_checkpoint``.
    """
    path = Path(path)
    _start(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise CheckpointError("bad_checkpoint", f"{path}: not a configuration in JSON ({error})") from None
    if not isinstance(record, dict):
        raise CheckpointError("bad_checkpoint", f"{path}: not a configuration, a JSON object was wanted")
    inner = record.get("model")  # elsewhere "model" is a name beside the fields
    return inner if isinstance(inner, dict) else record


def sha256_of(path: Path | str) -> str:
    """Return the file's SHA-256 in hexadecimal. Raises as `read_tensors`."""
    path = Path(path)
    _start(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path) -> None:
    """Refuse what is no file at all, or obviously no checkpoint. Raises as `read_tensors`."""
    _start(path)


def _start(path: Path) -> bytes:
    """Return the first bytes of a file that can be opened; say what is wrong with one that cannot."""
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.suffix in SUFFIXES)[:3]
        hint = f"name the file in it: {', '.join(inside)}" if inside else "name a file"
        raise CheckpointError("bad_checkpoint", f"{path}: a folder, not a checkpoint file", hint=hint)
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except FileNotFoundError:
        raise CheckpointError("not_found", f"{path}: there is no such file", hint="check the path") from None
    except OSError as error:
        raise CheckpointError("bad_checkpoint", f"{path}: cannot be opened ({error.strerror})") from None
    if not start:
        raise CheckpointError("bad_checkpoint", f"{path}: an empty file", hint="fetch it again")
    for magic, what in IMPOSTORS.items():
        if start.startswith(magic):
            raise CheckpointError("bad_checkpoint", f"{path}: {what}", hint="fetch it again")
    return start


def _is_pickle(start: bytes) -> bool:
    """Tell a torch file, zipped or not, by its first bytes.

    A safetensors file starts with the length of its header, whose lowest byte may be a pickle's first.
    """
    safetensors = start[4:9] == b"\0\0\0\0{"  # a header below 4 GB, a JSON object
    return start.startswith((ZIP, PICKLE)) and not safetensors


def _safetensors(path: Path) -> Any:
    """Open a safetensors file, whose header is checked against the file's length."""
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, framework="pt", device="cpu")
    except (SafetensorError, OSError, ValueError) as error:
        # The length of the header comes first, then the header, a JSON object.
        damaged = _start(path)[8:9] == b"{"
        what = "a damaged or truncated safetensors file" if damaged else "not a checkpoint"
        hint = "fetch it again" if damaged else f"give one of {', '.join(SUFFIXES)}"
        raise CheckpointError("bad_checkpoint", f"{path}: {what} ({error})", hint=hint) from None


def _read_pickle(path: Path) -> dict[str, torch.Tensor]:
    """Read a torch file without running anything in it."""
    import torch

    zipped = _start(path).startswith(ZIP)
    if path.suffix == ".safetensors":
        raise CheckpointError(
            "bad_checkpoint", f"{path}: a torch pickle under a safetensors name", hint="rename it to .pt"
        )
    try:
        with warnings.catch_warnings(action="ignore"):  # remarks on how the file was pickled help no user
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        needs = re.search(r"GLOBAL [\w.]+", str(error)) or re.search(r"Unsupported [\w ]+", str(error))
        if needs is None:
            raise _damaged(path, error) from None
        raise CheckpointError(
            "unsafe_checkpoint",
            f"{path}: refused, it holds more than tensors and reading it could run code"
            f" ({needs[0].removeprefix('GLOBAL ').strip()})",
            hint="save its state_dict as .safetensors where it was trained",
        ) from None
    except Exception as error:  # torch.load names no exceptions: a damaged file ends in any of a dozen
        raise _damaged(path, error) from None
    return _unwrap(path, content)


def _unwrap(path: Path, content: object) -> dict[str, torch.Tensor]:
    """Find the tensors in what a training run saved."""
    import torch

    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    entries = content if isinstance(content, Mapping) else {}
    tensors = {str(key): value.detach() for key, value in entries.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        keys = ", ".join(map(str, list(entries)[:5])) or type(content).__name__
        raise CheckpointError("bad_checkpoint", f"{path}: no tensors by name in it, only {keys}")
    return tensors


def _damaged(path: Path, error: Exception) -> CheckpointError:
    reason = f"{type(error).__name__}: {error}".strip().split("\n")[0][:120]
    return CheckpointError(
        "bad_checkpoint", f"{path}: not a torch file, or a damaged or truncated one ({reason})", hint="fetch it again"
    )
