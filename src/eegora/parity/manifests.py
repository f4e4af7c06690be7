"""Turn the manifest that a case names into a checkpoint file in the published layout. How tensors are filled is `checkpoints.synthetic`'s rule."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from eegora.checkpoints.synthetic import Manifest, find_manifest, read_manifest, synthetic_state_dict
from eegora.errors import CheckpointError


def find_layout(name: str, folders: Iterable[Path | str]) -> Manifest:
    """Read a manifest, and under it those that it extends.

    Parameters
    ----------
    name : str
        Of the file, without ``.json``.
    folders : iterable of path
        Where to look, in this order.

    Returns
    -------
    Manifest
        If its configuration has ``extends``: that manifest's tensors and fields, then its own.

    Raises
    ------
    CheckpointError
        ``not_found``, ``bad_manifest``.
    """
    folders = list(folders)
    chain = [read_manifest(find_manifest(name, folders))]
    while (below := chain[-1].config.get("extends")) is not None:
        if below in {manifest.name for manifest in chain} or not isinstance(below, str):
            raise CheckpointError(
                "bad_manifest", f"manifest {name}: it extends {below!r}, which is no manifest, or one that extends it"
            )
        chain.append(read_manifest(find_manifest(below, folders)))
    config: dict[str, Any] = {}
    layout: dict[str, tuple[tuple[int, ...], str]] = {}
    for manifest in reversed(chain):
        config |= manifest.config
        layout |= manifest.layout
    config.pop("extends", None)
    return replace(chain[0], config=config, layout=layout)


def write_checkpoint(manifest: Manifest, folder: Path) -> Path:
    """Write the filled manifest to ``NAME.safetensors`` in a folder and return its path."""
    from safetensors.numpy import save_file

    path = folder / f"{manifest.name}.safetensors"
    save_file(synthetic_state_dict(manifest), path, metadata={"format": "pt"})
    return path


def write_config(config: Mapping[str, Any], folder: Path) -> Path:
    """Write ``config.json`` to a folder and return its path."""
    path = folder / "config.json"
    path.write_text(json.dumps(dict(config)), encoding="utf-8")
    return path
