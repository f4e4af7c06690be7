"""`load_model`: a name → a Model. Finds the checkpoint, says where it comes from, refuses one that is another variant's.

Knows the order of the steps; files are `checkpoints`' work, filling a network `assembly`'s.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eegora import assembly, registry
from eegora.compute.device import choose_device, exact_float32
from eegora.errors import CheckpointError, UsageError
from eegora.model import Model
from eegora.spec import ModelCode, ModelSpec, Variant


def load_model(
    name: str,
    variant: str | None = None,
    *,
    checkpoint: Path | str | None = None,
    config: Path | str | Mapping[str, Any] | None = None,
    untrained: int | bool | None = None,
    device: str = "auto",
    dtype: str = "float32",
    offline: bool = False,
) -> Model:
    """Load a model.

    Without `checkpoint`, the published one is looked for in a bundle (``EEGORA_BUNDLE``), then in the Hugging Face cache,
    and downloaded last, announced in one line on stderr.

    Parameters
    ----------
    name : str
        ``model-variant`` (``eegora models`` lists them), or a model alone with a `checkpoint` that tells the variant.
    variant : str, optional
    checkpoint : path, optional
        A checkpoint file of your own.
    config : path or dict, optional
        A config.json or fields of it, where the tensors do not tell everything or another choice is wanted.
    untrained : int or bool, optional
        Seed: fill the full-size network with random parameters instead; every output says so.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    dtype : str
        ``float32``, ``float64``, ``bfloat16`` or ``float16``.
    offline : bool
        Never ask the network; also ``HF_HUB_OFFLINE``.

    Returns
    -------
    Model

    Raises
    ------
    UsageError, CheckpointError, HubError, DeviceError

    Examples
    --------
    >>> import eegora
    >>> model = eegora.load_model("luna-base", untrained=0)  # doctest: +SKIP
    """
    folder, spec, found = registry.find(name, variant)
    place = choose_device(device, dtype)
    code = registry.code(folder)
    classes: tuple[str, ...] = ()
    if untrained is not None and untrained is not False:
        if checkpoint is not None:
            raise UsageError("bad_options", "a checkpoint and `untrained` exclude each other; give one of them")
        seed = 0 if untrained is True else int(untrained)
        chosen = found or spec.variants[0]
        loaded = assembly.untrained_network(code, chosen.config, fields=config, seed=seed, dtype=dtype)
        record: dict[str, Any] = {"source": "untrained", "name": f"untrained, seed {seed}", "seed": seed}
    else:
        if checkpoint is None and found is None:
            variants = ", ".join(registry.full_name(spec, v) for v in spec.variants)
            raise UsageError(
                "which_variant",
                f"{spec.title} has several variants: {variants}",
                hint="name one, or give --checkpoint FILE whose tensors tell",
            )
        loaded, record, classes = _load(code, found, checkpoint, config, dtype, offline)
    exact_float32()
    loaded.network.to(place.name)
    return Model(
        spec,
        code,
        loaded,
        variant=_variant_of(spec, found, loaded.config, str(record["name"])),
        device=place,
        checkpoint=record,
        classes=classes,
    )


def _load(
    code: ModelCode,
    variant: Variant | None,
    checkpoint: Path | str | None,
    config: Path | str | Mapping[str, Any] | None,
    dtype: str,
    offline: bool,
) -> tuple[Any, dict[str, Any], tuple[str, ...]]:
    """Find and load a checkpoint file; return the network, the record of where it comes from, and its classes."""
    from eegora.checkpoints.read import read_metadata
    from eegora.checkpoints.resolve import resolve

    found = resolve(variant.published if variant else None, given=checkpoint, offline=offline, say=_announce)
    loaded = assembly.load_network(code, found.path, config=config or found.config_path, dtype=dtype)
    return loaded, found.record(), class_names(read_metadata(found.path).get("classes", ""))


def class_names(text: str) -> tuple[str, ...]:
    """Read the class names in a checkpoint's metadata: a JSON list, or separated by commas."""
    names = json.loads(text) if text.startswith("[") else text.split(",")
    return tuple(name for item in names if (name := str(item).strip()))


def _variant_of(spec: ModelSpec, wanted: Variant | None, config: dict[str, Any], name: str) -> str:
    """Name the variant that a configuration is, and refuse one that is not what was asked for."""
    same = [v for v in spec.variants if all(config.get(key) == value for key, value in v.config.items())]
    found = same[0].name if same else "custom"
    if wanted is not None and found != wanted.name:
        hint = registry.full_name(spec, same[0]) if same else spec.name
        raise CheckpointError(
            "wrong_variant",
            f"{name} is {spec.title} {found}, {wanted.name} was asked for",
            hint=f"--model {hint}",
        )
    return found


def _announce(line: str) -> None:
    sys.stderr.write(line + "\n")
