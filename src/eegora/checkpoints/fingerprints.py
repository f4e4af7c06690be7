"""Fingerprints: what a network with a checkpoint's parameters makes of a fixed input, in sixteen hexadecimal digits.

How stages become digits, and where known fingerprints lie; the input and the run are left to whoever has a network.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eegora.errors import CheckpointError
from eegora.whole import as_text, write_whole

if TYPE_CHECKING:
    import torch

Store = dict[str, dict[str, str]]  # SHA-256 of the file → digest of the configuration → fingerprint

STORE = "fingerprints.json"
# Fractions of n·irrational are spread evenly over 0…1 and never repeat: each entry of a tensor gets its own weight.
IRRATIONALS = (math.sqrt(5) - 2, math.sqrt(2) - 1, math.sqrt(3) - 1)


def fingerprint_of(probe: str, stages: Mapping[str, torch.Tensor]) -> str:
    """Return ``pppp-ssssssssssss``: digits of the input's description, then of the stages.

    Of each stage counts its size (root mean square) and three weighted sums over all of its entries, relative to that
    size, each rounded to 6 digits: coarse enough for another machine's float64, fine enough for any exchange of entries.

    Parameters
    ----------
    probe : str
        Which input it was.
    stages : dict of str to Tensor
        In float64.
    """
    lines = []
    for name in sorted(stages):
        tensor = stages[name].detach().cpu()
        lines.append(f"{name} {list(tensor.shape)} {_digits(tensor.double().numpy().ravel())}")
    text = "\n".join(lines)
    return f"{_hash(probe)[:4]}-{_hash(text)[:12]}"


def _digits(x: NDArray[np.float64]) -> str:
    size = math.sqrt(np.dot(x, x) / max(len(x), 1))
    if size == 0 or not math.isfinite(size):
        return f"{size}"
    scale = size * math.sqrt(len(x))
    sums = (np.dot(_weights(len(x), irrational), x) / scale for irrational in IRRATIONALS)
    # + 0.0 turns −0 into 0
    return f"{size:.5e} {' '.join(f'{round(float(s), 6) + 0.0:.6f}' for s in sums)}"


def _weights(n: int, irrational: float) -> NDArray[np.float64]:
    """Return weights (n,) between −0.5 and 0.5, no two alike."""
    turns = np.arange(1, n + 1, dtype=np.float64) * irrational
    turns -= np.floor(turns) + 0.5
    return turns


def known_fingerprint(sha256: str, config: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the fingerprint recorded for a file under a configuration, and where: ``package`` or ``user``; or None.

    Raises
    ------
    CheckpointError
        ``bad_record`` if the user's own record is damaged.
    """
    key = config_digest(config)
    packaged: Store = json.loads((files("eegora.checkpoints") / STORE).read_text("utf-8"))
    for where, store in (("package", packaged), ("user", _read(user_store()))):
        if (found := store.get(sha256, {}).get(key)) is not None:
            return found, where
    return None


def record_fingerprint(sha256: str, config: Mapping[str, Any], fingerprint: str) -> Path:
    """Remember a fingerprint in the user's data folder; return the file.

    Raises
    ------
    CheckpointError
        ``bad_record``, or ``cannot_store``.
    """
    path = user_store()
    store = _read(path)
    store.setdefault(sha256, {})[config_digest(config)] = fingerprint
    text = json.dumps(store, indent=2, sort_keys=True) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, as_text(text))
    except OSError as error:
        raise CheckpointError("cannot_store", f"cannot write {path}: {error.strerror or error}") from None
    return path


def user_store() -> Path:
    """Return where the user's own fingerprints lie."""
    from platformdirs import user_data_path

    return user_data_path("eegora", appauthor=False) / STORE


def config_digest(config: Mapping[str, Any]) -> str:
    """Return a digest of a configuration: the same file under another one computes something else."""
    return _hash(json.dumps(dict(config), sort_keys=True, default=str))[:12]


def _read(path: Path) -> Store:
    try:
        store = json.loads(path.read_text(encoding="utf-8"))
        return {str(sha): {str(k): str(v) for k, v in entry.items()} for sha, entry in store.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError("bad_record", f"{path}: damaged ({error})", hint="delete it and record again") from None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
