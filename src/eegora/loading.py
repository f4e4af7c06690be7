"""`load_model`: a name → a Model. Finds the checkpoint, says where it comes from, refuses one that is another variant's.

Also what a file's numbers tell without a Model (`examine`). Knows the order of the steps; files are `checkpoints`' work, filling
a network `assembly`'s.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegora import assembly, registry
from eegora.checkpoints.published import Elsewhere
from eegora.checkpoints.record import classes_in
from eegora.checkpoints.synthetic import SYNTHETIC
from eegora.compute.accelerate import accelerate
from eegora.compute.device import choose_device
from eegora.errors import CheckpointError, UsageError
from eegora.model import Model
from eegora.spec import TASKS, Answer, ModelCode, ModelSpec, Variant, act

if TYPE_CHECKING:
    from eegora.checkpoints.resolve import Found

# Up to this size a fingerprint costs less than a sixth of a short `eegora embed`; above, it is taken from the record.
SMALL = 256_000_000  # bytes
MENDING = ("repair", "upsample")  # they take recordings, and reach the network through another task
PUBLISHED = ("bundle", "cache", "download")  # where the published files come from


def load_model(
    name: str,
    variant: str | None = None,
    *,
    checkpoint: Path | str | Elsewhere | None = None,
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
    checkpoint : path or Elsewhere, optional
        A checkpoint file of your own, or another repository, revision, cache or bundle to look for the published one in.
    config : path or dict, optional
        A config.json or fields of it, where the tensors do not tell everything or another choice is wanted; also what
        leaves out a part of the network (``{"encoder_only": True}``), which then is never read: a model loaded here is
        whole otherwise, and `eegora embed` leaves out what embedding does not need.
    untrained : int or bool, optional
        Seed: fill the full-size network with random parameters instead; every output says so.
    device : str
        ``auto``, ``cpu``, ``cuda``, ``cuda:N``, ``cuda+compile`` or ``mps``.
    dtype : str
        ``float32``, ``float64``, ``bfloat16``, ``float16``, or ``tf32`` (CUDA: float32 with faster, rougher products).
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
    folder, spec, wanted = registry.find(name, variant)
    published = [v for v in spec.variants if v.published is not None]
    if wanted is None and len(published) == 1 and (checkpoint is None or isinstance(checkpoint, Elsewhere)):
        (wanted,) = published
    place = choose_device(device, dtype)
    if place.warning:
        _announce(place.warning)
    dtype = place.storage
    code = registry.code(folder)
    classes: tuple[str, ...] = ()
    if untrained is not None and untrained is not False:
        if checkpoint not in (None, Elsewhere()):
            raise UsageError("bad_options", "a checkpoint and `untrained` exclude each other; give one of them")
        seed = 0 if untrained is True else int(untrained)
        chosen = wanted or spec.variants[0]
        loaded = assembly.untrained_network(code, chosen.config, fields=config, seed=seed, dtype=dtype)
        record: dict[str, Any] = {"source": "untrained", "name": f"untrained, seed {seed}", "seed": seed}
    else:
        if wanted is None and (checkpoint is None or isinstance(checkpoint, Elsewhere)):
            variants = ", ".join(registry.full_name(spec, v) for v in spec.variants)
            raise UsageError(
                "which_variant",
                f"{spec.title} has several variants: {variants}",
                hint="name one, or give --checkpoint FILE whose tensors tell",
            )
        loaded, record, classes = _load(code, spec, wanted, checkpoint, config, dtype, offline)
    loaded.network.to(place.name)
    functions = {task: function for task in TASKS if task not in MENDING and (function := getattr(code, task))}
    faster: dict[str, Any] = dict(accelerate(loaded.network, place, functions))
    code = replace(code, **faster)
    return Model(
        spec,
        code,
        loaded,
        variant=_variant_of(spec, wanted, loaded.config, str(record["name"])),
        device=place,
        checkpoint=record,
        doubts=_doubts(code.tasks(loaded.config), loaded, wanted if record["source"] in PUBLISHED else None),
        classes=classes,
    )


def _doubts(tasks: tuple[str, ...], loaded: assembly.Loaded, published: Variant | None) -> dict[str, str]:
    """Say which tasks would go through random parameters, and why: a published file is trained for some tasks only."""
    doubts = {}
    if published is not None:
        untrained = [task for task in tasks if task not in published.trained]
        doubts = {task: f"the published checkpoint is not trained to {act(task)}" for task in untrained}
    if "classify" in tasks and loaded.initialised:
        doubts["classify"] = f"its {' and '.join(loaded.initialised)} looks as if it had never been trained"
    return doubts


def _load(
    code: ModelCode,
    spec: ModelSpec,
    variant: Variant | None,
    checkpoint: Path | str | Elsewhere | None,
    config: Path | str | Mapping[str, Any] | None,
    dtype: str,
    offline: bool,
) -> tuple[assembly.Loaded, dict[str, Any], tuple[str, ...]]:
    """Find and load a checkpoint file; return the network, the record of where it comes from, and its classes."""
    from eegora.checkpoints.fingerprints import known_fingerprint
    from eegora.checkpoints.read import read_metadata

    file = _located(variant, checkpoint, offline)
    metadata = read_metadata(file.path)
    own = assembly.own_fields(metadata, config)
    # A network without some part belongs to the same file: what is recorded of that is of the whole.
    whole = {
        name: value for name, value in own.items() if not any(name in switches for switches in spec.parts.values())
    }
    # Reading a large file for its SHA-256 takes as long as loading it: both at once. A wrong one counts before all else.
    with ThreadPoolExecutor(1) as other:
        sha256 = other.submit(lambda: file.sha256)
        try:
            loaded = assembly.load_network(code, file.path, config=own, beside=file.config_path, dtype=dtype)
        finally:
            sha256.result()
    if loaded.synthetic:
        loaded = replace(loaded, notes=(*loaded.notes, SYNTHETIC))
    record: dict[str, Any] = dict(file.record())
    switched = {name: False for name in own if name not in whole}
    known = known_fingerprint(file.sha256, {**loaded.config, **switched})
    if known is not None:
        record["fingerprint"] = known[0]
    elif file.path.stat().st_size <= SMALL:
        same = loaded
        if dtype != "float64" or switched:
            same = assembly.load_network(code, file.path, config=whole, beside=file.config_path, dtype="float64")
        try:
            record["fingerprint"] = assembly.fingerprint(spec, code, same.network, same.config)
        except CheckpointError as error:  # a head for channels that the fixed input does not have
            if error.code != "no_fingerprint":
                raise
    return loaded, record, classes_in(metadata)


def examine(
    name: str, checkpoint: Path | str | Elsewhere | None, config: Path | None = None, *, offline: bool = False
) -> tuple[Answer, ...]:
    """Ask a checkpoint's numbers what its model's folder knows to ask; parameters as in `load_model`."""
    from eegora.checkpoints.read import read_metadata, read_tensors

    folder, _, variant = registry.find(name)
    code = registry.code(folder)
    if code.examine is None:
        return ()
    file = _located(variant, checkpoint, offline)
    own, beside = assembly.own_fields(read_metadata(file.path), config), assembly.fields_in(file.config_path)
    reading = assembly.read_as(code, read_tensors(file.path), str(file.path), own, beside)
    reading.coverage.raise_for(file.path)
    return code.examine(reading.tensors, reading.config)


def _located(variant: Variant | None, checkpoint: Path | str | Elsewhere | None, offline: bool) -> Found:
    from eegora.checkpoints.resolve import locate

    given, place = (None, checkpoint) if isinstance(checkpoint, Elsewhere) else (checkpoint, Elsewhere())
    return locate(
        variant.published if variant else None,
        given=given,
        offline=offline,
        say=_announce,
        bundle=place.bundle,
        cache_dir=place.cache_dir,
        repo=place.repo,
        revision=place.revision,
    )


def fingerprint(model: Model) -> str:
    """Return the fingerprint of a model: what its network makes of a fixed seeded input, in sixteen digits.

    Parameters
    ----------
    model : Model
        Loaded with ``dtype="float64"`` on the CPU: rounded parameters give other digits.

    Raises
    ------
    UsageError
        ``needs_float64``.
    CheckpointError
        ``no_fingerprint`` if no task takes the fixed input.
    """
    if (model.device.name, model.device.dtype) != ("cpu", "float64"):
        raise UsageError(
            "needs_float64",
            f"a fingerprint is made in float64 on the CPU; this model is {model.device.dtype} on {model.device.name}",
            hint='load_model(..., dtype="float64", device="cpu")',
        )
    folder, spec, _ = registry.find(model.spec.name)
    return assembly.fingerprint(spec, registry.code(folder), model.network, model.config)


def _variant_of(spec: ModelSpec, wanted: Variant | None, config: dict[str, Any], name: str) -> str:
    """Name the variant that a configuration is, and refuse one that is not what was asked for."""
    own = registry.variant_name(spec, config)
    if wanted is not None and own != wanted.name:
        same = spec.variant(own)
        hint = registry.full_name(spec, same) if same else spec.name
        raise CheckpointError(
            "wrong_variant",
            f"{name} is {spec.title} {own}, {wanted.name} was asked for",
            hint=f"--model {hint}",
        )
    return own


def _announce(line: str) -> None:
    sys.stderr.write(line + "\n")
