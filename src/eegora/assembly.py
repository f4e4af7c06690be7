"""A checkpoint → a network that is proven whole: every tensor of the file accounted for, every parameter filled.

Knows the order of the steps; names and algebra come from the model's `ModelCode`, files from `checkpoints`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegora.checkpoints.read import read_config, read_tensors
from eegora.checkpoints.rename import Coverage, new_names, rename
from eegora.checkpoints.synthetic import synthetic_state_dict
from eegora.errors import CheckpointError
from eegora.spec import Config, ModelCode, Tensors

if TYPE_CHECKING:
    import torch

CONSTANT = "constant"  # the layout's rule for tensors that a file may leave out


@dataclass(frozen=True)
class Loaded:
    """A network with its parameters.

    Parameters
    ----------
    network : torch.nn.Module
        In eval mode, without gradients, on the CPU.
    config : dict
    coverage : Coverage
        What became of every tensor of the file.
    notes : tuple of str
        Remarks on the checkpoint's contents.
    """

    network: torch.nn.Module
    config: dict[str, Any]
    coverage: Coverage
    notes: tuple[str, ...] = ()


def load_network(
    code: ModelCode, path: Path | str, *, config: Path | str | Config | None = None, dtype: str = "float32"
) -> Loaded:
    """Load a checkpoint file, strictly.

    Parameters
    ----------
    code : ModelCode
    path : path-like
        .safetensors, .pt or .ckpt.
    config : path or dict, optional
        Fields that win over what the tensors' shapes tell.
    dtype : str
        Number format of the parameters.

    Raises
    ------
    CheckpointError
        ``not_found``, ``bad_checkpoint``, ``not_this_model`` or ``does_not_fit``; nothing is ever half loaded.
    """
    return _assemble(code, read_tensors(path), str(path), _fields(config), dtype)


def untrained_network(
    code: ModelCode, config: Config, *, fields: Path | str | Config | None = None, seed: int = 0, dtype: str = "float32"
) -> Loaded:
    """Fill a network of this configuration with seeded random parameters, through the same loader."""
    import torch

    layout = {key: entry for key, entry in code.layout(config).items() if entry[1] != CONSTANT}
    tensors = {key: torch.from_numpy(value) for key, value in synthetic_state_dict(layout, seed).items()}
    return _assemble(code, tensors, f"untrained checkpoint, seed {seed}", {**config, **(_fields(fields) or {})}, dtype)


def _fields(config: Path | str | Config | None) -> Config | None:
    """Read a configuration that is a file."""
    return read_config(config) if isinstance(config, str | Path) else config


def _assemble(
    code: ModelCode, tensors: Mapping[str, torch.Tensor], path: str, fields: Config | None, dtype: str
) -> Loaded:
    import torch

    rules = code.renames(tensors, fields or {})
    names, _ = new_names(tensors, rules)
    try:
        config = code.detect({new: tuple(tensors[old].shape) for old, new in names.items()})
    except CheckpointError as error:
        raise CheckpointError(error.code, f"{path}: {error.message}", hint=error.hint) from None
    config |= {key: value for key, value in (fields or {}).items() if key in config}
    layout = code.layout(config)
    wanted = {key: shape for key, (shape, _) in layout.items()}
    optional = {key for key, (_, rule) in layout.items() if rule == CONSTANT}
    found, coverage = rename(tensors, rules, wanted, optional)
    coverage.raise_for(path)
    with torch.device("meta"):
        network = code.build(config)
    number = getattr(torch, dtype)
    state: Tensors = {key: value.to(number) for key, value in code.fold(found, config).items()}
    network.load_state_dict(state, strict=True, assign=True)
    network.eval().requires_grad_(False)
    return Loaded(network, config, coverage, code.remarks(found, config) if code.remarks else ())
