"""Seeded checkpoints: every tensor of a layout filled by a rule, the same everywhere, to the bit; and the manifests that list layouts.

Which tensors a model has, and what its numbers mean, it leaves to the model's own folder.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegora.errors import CheckpointError

Layout = Mapping[str, tuple[tuple[int, ...], str]]  # key → (shape, rule)

SYNTHETIC = "a synthetic checkpoint, filled by a rule: its numbers mean nothing"

CONSTANT = {"ones": 1.0, "zeros": 0.0}
RANDOM = ("matrix", "matrix_t", "bias", "scale", "token")
RULES = (*RANDOM, *CONSTANT)


@dataclass(frozen=True)
class Manifest:
    """A layout that was written down.

    Parameters
    ----------
    name : str
    config : dict
        The model's configuration fields.
    layout : dict of str to (shape, rule)
        Every tensor, and how a synthetic one is filled.
    constants : dict of str to shape
        Tensors that published files may hold too, but whose values follow from the configuration.
    """

    name: str
    config: Mapping[str, Any]
    layout: Layout
    constants: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def synthetic_tensor(key: str, shape: Iterable[int], rule: str, seed: int | None = None) -> NDArray[np.float32]:
    """Fill one tensor.

    With ``z`` standard normal in float64 from a generator seeded by the key, cast to float32 at the end:
    ``matrix`` z / √(product of shape[1:]); ``matrix_t`` z / √shape[0] (stored input-first); ``bias`` 0.02 z;
    ``scale`` 1 + 0.1 z; ``token`` 0.5 z; ``ones``; ``zeros``.

    Parameters
    ----------
    key : str
        The tensor's name; it seeds the generator, so a tensor does not depend on its neighbours.
    shape : iterable of int
    rule : str
    seed : int or None
        None gives the values of the reference vectors; any number another checkpoint.

    Returns
    -------
    ndarray of float32

    Raises
    ------
    CheckpointError
        ``bad_manifest`` if there is no such rule.
    """
    shape = tuple(shape)
    if rule in CONSTANT:
        return np.full(shape, CONSTANT[rule], np.float32)
    if rule not in RANDOM:
        raise CheckpointError("bad_manifest", f"{key}: no rule {rule!r} fills a tensor; rules are {', '.join(RULES)}")
    label = key if seed is None else f"{seed}:{key}"
    # RandomState, because NumPy's compatibility policy freezes its stream; Generator's may change.
    z = np.asarray(np.random.RandomState(zlib.crc32(label.encode())).standard_normal(shape))
    if rule == "matrix":
        z = z / math.sqrt(math.prod(shape[1:]) or 1)
    elif rule == "matrix_t":
        z = z / math.sqrt(shape[0])
    elif rule == "bias":
        z = 0.02 * z
    elif rule == "scale":
        z = 1.0 + 0.1 * z
    else:
        z = 0.5 * z
    return np.asarray(z, dtype=np.float32)


def synthetic_state_dict(layout: Layout | Manifest, seed: int | None = None) -> dict[str, NDArray[np.float32]]:
    """Fill every tensor of a layout (or of a manifest's)."""
    tensors = layout.layout if isinstance(layout, Manifest) else layout
    return {key: synthetic_tensor(key, shape, rule, seed) for key, (shape, rule) in tensors.items()}


def is_synthetic(tensors: Mapping[str, Any], layout: Layout) -> bool:
    """Say whether a checkpoint holds what the rule for the reference vectors fills in, judged by its smallest random tensor.

    Parameters
    ----------
    tensors : dict of str to Tensor or ndarray
        Under the layout's names, in any number format.
    layout : dict of str to (shape, rule)
    """
    random = [key for key, (_, rule) in layout.items() if rule in RANDOM and key in tensors]
    if not random:
        return False
    key = min(random, key=lambda name: math.prod(layout[name][0]))
    wanted = synthetic_tensor(key, *layout[key])
    found = np.asarray([float(value) for value in tensors[key].reshape(-1)]).reshape(wanted.shape)
    return bool(np.allclose(found, wanted, rtol=0.01, atol=1e-3))


def read_manifest(path: Path | str) -> Manifest:
    """Read a manifest file.

    Raises
    ------
    CheckpointError
        ``not_found``, or ``bad_manifest`` if it is not JSON of the expected form.
    """
    path = Path(path)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        layout = {key: (tuple(map(int, t["shape"])), str(t["init"])) for key, t in record["tensors"].items()}
        constants = {key: tuple(map(int, t["shape"])) for key, t in record.get("published_but_constant", {}).items()}
        return Manifest(str(record["name"]), dict(record["config"]), layout, constants)
    except FileNotFoundError:
        raise CheckpointError("not_found", f"{path}: there is no such manifest") from None
    except OSError as error:
        raise CheckpointError("bad_manifest", f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{path}: not a manifest with name, config and tensors ({type(error).__name__}: {error})"
        raise CheckpointError("bad_manifest", message) from None


def find_manifest(name: str, folders: Iterable[Path | str]) -> Path:
    """Return the first ``NAME.json`` of the folders, in their order.

    Raises
    ------
    CheckpointError
        ``not_found``, naming the folders that were looked in.
    """
    places = [Path(folder) for folder in folders]
    if Path(name).name != name:
        raise CheckpointError("bad_manifest", f"{name!r} is not a manifest's name: it must not hold a folder")
    for folder in places:
        if (path := folder / f"{name}.json").is_file():
            return path
    raise CheckpointError(
        "not_found",
        f"no manifest {name}.json in {', '.join(map(str, places)) or 'any folder: none was given'}",
        hint="name its folder with --manifests DIR",
    )
