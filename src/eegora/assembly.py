"""A checkpoint → a network that is proven whole: every tensor of the file accounted for, every parameter filled.

Knows the order of the steps; names and algebra come from the model's `ModelCode`, files from `checkpoints`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.checkpoints.fingerprints import fingerprint_of
from eegora.checkpoints.mapped import HELD, RenamedTensors, release
from eegora.checkpoints.read import is_zipped, read_config, read_tensors
from eegora.checkpoints.record import fields_of
from eegora.checkpoints.rename import Coverage, new_names, rename, why_renamed
from eegora.checkpoints.statistics import looks_initialised
from eegora.checkpoints.synthetic import is_synthetic, synthetic_state_dict
from eegora.errors import CheckpointError, EegoraError
from eegora.recipes.prepare import prepare
from eegora.recordings.positions import head_position
from eegora.signal import Signal
from eegora.spec import Config, ModelCode, ModelSpec, Stored, Tensors
from eegora.windows import Windows

if TYPE_CHECKING:
    import torch

PROBE_NAMES = tuple("Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 A1 A2 Fz Cz Pz".split())
QUICK = {"steps": 2, "seed": 0}  # call settings of models that sample: enough to reach every parameter
FAR = 1000  # times what the tensors tell, or 1: no configuration means that
CONSTANT = "constant"  # the layout's rule for tensors that a file may leave out


@dataclass(frozen=True)
class Reading:
    """A file's tensors as a model reads them.

    Parameters
    ----------
    config : dict
    tensors : mapping of str to Tensor
        Under the names of the model's layout; empty if the file does not fit.
    coverage : Coverage
    reasons : dict of str to str
        The file's name of a renamed tensor → why.
    notes : tuple of str
    """

    config: dict[str, Any]
    tensors: Stored
    coverage: Coverage
    reasons: Mapping[str, str]
    notes: tuple[str, ...] = ()


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
    synthetic : bool
        The parameters are those of the rule for reference vectors: nobody trained them.
    initialised : tuple of str
        Parts that only fine-tuning trains, and that are as an initialisation leaves them.
    """

    network: torch.nn.Module
    config: dict[str, Any]
    coverage: Coverage
    notes: tuple[str, ...] = ()
    synthetic: bool = False
    initialised: tuple[str, ...] = ()


def load_network(
    code: ModelCode,
    path: Path | str,
    *,
    config: Path | str | Config | None = None,
    beside: Path | None = None,
    dtype: str = "float32",
) -> Loaded:
    """Load a checkpoint file, strictly.

    Parameters
    ----------
    code : ModelCode
    path : path-like
        .safetensors, .pt or .ckpt.
    config : path or dict, optional
        Fields that win over what the tensors' shapes tell.
    beside : path, optional
        The config.json that came with the file: the user's own fields win over it, and the model may doubt it.
    dtype : str
        Number format of the parameters.

    Raises
    ------
    CheckpointError
        ``not_found``, ``bad_checkpoint``, ``not_this_model`` or ``does_not_fit``; nothing is ever half loaded.
    """
    reading = read_as(code, read_tensors(path), str(path), fields_in(config), fields_in(beside))
    reading.coverage.raise_for(path)
    reading = _read_again(reading, path)
    return assembled(code, reading, dtype)


def _read_again(reading: Reading, path: Path | str) -> Reading:
    """Map a torch file anew: the check of every value brought all of it into memory, which goes with the first mapping.

    The fold then only brings in what it copies, so that the copies do not add to the whole file. A safetensors file needs
    no such thing, see `MappedTensors`.
    """
    if not is_zipped(path):
        return reading
    olds = {new: old for old, new in reading.coverage.renamed.items()}
    names = {key: olds.get(key, key) for key in reading.tensors}
    return replace(reading, tensors=RenamedTensors(read_tensors(path), names))


def untrained_network(
    code: ModelCode, config: Config, *, fields: Path | str | Config | None = None, seed: int = 0, dtype: str = "float32"
) -> Loaded:
    """Fill a network of this configuration with seeded random parameters, through the same loader."""
    import torch

    config = {**config, **(fields_in(fields) or {})}
    layout = {key: entry for key, entry in code.layout(config).items() if entry[1] != CONSTANT}
    tensors = {key: torch.from_numpy(value) for key, value in synthetic_state_dict(layout, seed).items()}
    name = f"untrained checkpoint, seed {seed}"
    reading = read_as(code, tensors, name, config)
    reading.coverage.raise_for(name)
    return assembled(code, reading, dtype)


def fields_in(config: Path | str | Config | None) -> Config | None:
    """Return the fields of a configuration, read if it is a file."""
    return read_config(config) if isinstance(config, str | Path) else config


def own_fields(metadata: Mapping[str, str], config: Path | str | Config | None) -> dict[str, Any]:
    """Return the fields that win over what tensors tell: the user's, and under them those that `convert` wrote."""
    return {**fields_of(metadata), **(fields_in(config) or {})}


def read_as(
    code: ModelCode,
    tensors: Mapping[str, torch.Tensor],
    path: str,
    fields: Config | None = None,
    beside: Config | None = None,
) -> Reading:
    """Read tensors as a model's: their names, the configuration that they tell, and what does not fit.

    Parameters
    ----------
    code : ModelCode
    tensors : dict of str to Tensor
        As the file names them.
    path : str
        For messages.
    fields : dict, optional
        The user's own: they win over all else.
    beside : dict, optional
        Of the config.json that came with the file.

    Raises
    ------
    CheckpointError
        ``not_this_model`` if the tensors do not even tell a configuration; anything else is in the coverage.
    """
    doubtful = {key: value for key, value in (beside or {}).items() if key not in (fields or {})}
    fields = {**doubtful, **(fields or {})}
    rules = code.renames(tensors, fields)
    names, _ = new_names(tensors, rules)
    try:
        config = code.detect({new: tuple(tensors[old].shape) for old, new in names.items()})
    except CheckpointError as error:
        raise CheckpointError(error.code, f"{path}: {error.message}", hint=error.hint) from None
    config, notes = _configured(code, config, fields, doubtful)
    layout = code.layout(config)
    wanted = {key: shape for key, (shape, _) in layout.items()}
    optional = {key for key, (_, rule) in layout.items() if rule == CONSTANT}
    found, coverage = rename(tensors, rules, wanted, optional)
    return Reading(config, found, coverage, why_renamed(tensors, rules), notes)


def _configured(
    code: ModelCode, detected: dict[str, Any], fields: Config, doubtful: Config
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Lay the given fields over what was detected, as far as the model believes those of a config.json."""
    notes: tuple[str, ...] = ()
    for key, value in doubtful.items():  # before a layout of that size is made
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and isinstance(detected.get(key), int) and abs(value) > FAR * max(detected[key], 1):
            raise CheckpointError(
                "bad_config",
                f"the config.json beside the checkpoint says {key} = {value}; the tensors tell {detected[key]}",
                hint="remove it, or give your own with --config",
            )
    agreeing = [key for key, value in doubtful.items() if key in detected and detected[key] == value]
    if doubtful and not agreeing:
        notes = ("the config.json beside the checkpoint is not of this model: it was not used",)
        fields, doubtful = {key: value for key, value in fields.items() if key not in doubtful}, {}
    believed, doubts = code.trusted(doubtful, detected) if code.trusted else (doubtful, ())
    kept = {key: value for key, value in fields.items() if key not in doubtful or key in believed}
    kept = {key: _like(key, value, detected[key]) for key, value in kept.items() if key in detected}
    changed = [f"{key} = {value}" for key, value in kept.items() if value != detected[key] and key in doubtful]
    if changed:
        notes = (*notes, f"from the config.json beside the checkpoint: {', '.join(changed)}")
    return detected | kept, (*notes, *doubts)


def _like(key: str, value: Any, detected: Any) -> Any:
    """Return a configuration's value if it is of the kind that the detected one has.

    Raises
    ------
    CheckpointError
        ``bad_config``.
    """
    number = isinstance(detected, int | float) and not isinstance(detected, bool)
    fits = isinstance(value, int | float) and not isinstance(value, bool) if number else True
    if number and fits and isinstance(detected, int) and float(value) != int(value):
        fits = False
    if not fits or (isinstance(detected, str) and not isinstance(value, str)):
        raise CheckpointError(
            "bad_config",
            f"the configuration's {key} is {value!r}; wanted {type(detected).__name__}",
            hint="check --config",
        )
    return int(value) if number and isinstance(detected, int) else value


def assembled(code: ModelCode, reading: Reading, dtype: str) -> Loaded:
    """Build the network of a reading that fits."""
    import torch

    config, found = reading.config, reading.tensors
    with torch.device("meta"):
        network = code.build(config)
    state = _in_number_format(code.fold(found, config), getattr(torch, dtype), lambda: release(found))
    network.load_state_dict(state, strict=True, assign=True)
    network.eval().requires_grad_(False)
    remarks = (*_remarks(reading, dtype), *(code.remarks(found, config) if code.remarks else ()))
    tuned = code.tuned(found, config) if code.tuned else {}
    initialised = tuple(name for name, part in tuned.items() if looks_initialised(part))
    doubts = (f"its {name} looks as if it had never been trained" for name in initialised)
    notes = (*reading.notes, *remarks, *doubts)
    return Loaded(network, config, reading.coverage, notes, _made_up(code, reading), initialised)


def _made_up(code: ModelCode, reading: Reading) -> bool:
    """Say whether a file's tensors are those of the reference vectors' rule, which goes by the file's own names."""
    olds = {new: old for old, new in reading.coverage.renamed.items()}
    layout = {olds.get(key, key): entry for key, entry in code.layout(reading.config).items()}
    return is_synthetic({olds.get(key, key): value for key, value in reading.tensors.items()}, layout)


def _remarks(reading: Reading, dtype: str) -> tuple[str, ...]:
    """Say what is unusual in any model's file: fewer digits than are computed with, matrices of one value, biases of 0.

    Raises
    ------
    CheckpointError
        ``empty_checkpoint`` if no matrix holds more than one value.
    """
    found, flat = reading.tensors, reading.coverage.flat
    kinds = {key: tensor for key, tensor in found.items() if tensor.ndim > 1 and tensor.numel() > 1}
    if kinds and len(flat) == len(kinds):
        raise CheckpointError(
            "empty_checkpoint",
            f"each of the {len(flat)} matrices holds one value throughout ({flat[0]} …): nothing was ever stored in this file",
            hint="fetch or save it again",
        )
    halves = sorted({str(t.dtype).removeprefix("torch.") for t in found.values()} & {"float16", "bfloat16"})
    notes = [f"stored as {' and '.join(halves)}, computed in {dtype}"] if halves and dtype not in halves else []
    if flat:
        more = f" and {len(flat) - 1} more" if len(flat) > 1 else ""
        notes.append(f"{flat[0]}{more} of {len(kinds)} matrices hold one value throughout: as if never filled")
    biases = [tensor for key, tensor in found.items() if key.endswith("bias")]
    if len(biases) > 1 and not any(bias.any() for bias in biases):
        notes.append("every bias is 0, as before any training")
    return tuple(notes)


def _in_number_format(folded: Tensors, number: torch.dtype, forget: Callable[[], None]) -> Tensors:
    """Bring tensors to a number format, one by one, so that no more than one is there twice."""
    state: Tensors = {}
    looked_at = 0
    for key in list(folded):
        tensor = folded.pop(key)
        state[key] = tensor.to(number)
        if tensor.dtype != number:
            looked_at += tensor.nbytes
        if looked_at > HELD:
            forget()
            looked_at = 0
    return state


def fingerprint(spec: ModelSpec, code: ModelCode, network: torch.nn.Module, config: Config) -> str:
    """Return the fingerprint of a float64 network: a fixed seeded window through every task that it has.

    The window has the channels, length and rate that the model's default recipe makes of a recording with the electrodes
    of the 10-20 system; its samples are seeded noise, so that no filter's rounding is in them.

    Parameters
    ----------
    spec : ModelSpec
    code : ModelCode
    network : torch.nn.Module
        In float64, on the CPU.
    config : dict

    Raises
    ------
    CheckpointError
        ``no_fingerprint`` if no task takes such a window, as with a head made for other channels.
    """
    import torch

    windows = probe_windows(spec)
    if code.own_input is not None:
        windows = _of_own_size(windows, *code.own_input(config))
    stages: Tensors = {}
    refusal = ""
    # `attention` reads what `embed` computes; whole recordings are mended through `reconstruct`.
    tasks = [task for task in code.tasks(config) if task not in ("attention", "decode", "repair", "upsample")]
    # Stages of one name are the same in every task but for the output.
    for task in tasks:
        try:
            inputs = {
                name: value.double() if value.is_floating_point() else value
                for name, value in code.packed(task, windows, {**config, **QUICK}).items()
            }
            with torch.inference_mode():
                found = code.trace(network, inputs, task)
        except EegoraError as error:
            refusal = error.message
            continue
        stages |= {f"{task}:{name}" if name == "output" else name: value for name, value in found.items()}
    if not stages:
        raise CheckpointError("no_fingerprint", f"no task of {spec.title} takes the fixed input: {refusal}")
    probe = f"1 {windows.ch_names} {windows.sfreq} {windows.data.shape}"
    return fingerprint_of(probe, stages)


def _of_own_size(windows: Windows, n_channels: int | None, n_times: int | None) -> Windows:
    """Return the fixed window with as many rows and samples as a checkpoint's own channel step and head take."""
    if n_channels is None and n_times is None:
        return windows
    rows = n_channels or len(windows.ch_names)
    times = n_times or windows.data.shape[-1]
    noise = np.random.RandomState(1).standard_normal((1, rows, times)).astype(np.float32)
    names = windows.ch_names if n_channels is None else tuple(f"row {i}" for i in range(rows))
    places = windows.ch_pos if n_channels is None else np.full((rows, 3), np.nan)
    one = np.ones((1, 1, 1))
    return replace(
        windows,
        data=noise,
        ch_names=names,
        ch_pos=places,
        n_valid=np.array([times]),
        scale=one,
        shift=0 * one,
        level=0 * one,
    )


def probe_windows(spec: ModelSpec) -> Windows:
    """Return the fixed window: the default recipe's channels and length, filled with seeded standard normal noise."""
    recipe = spec.recipes[0]
    rng = np.random.RandomState(0)  # its stream is frozen by NumPy's policy
    places = np.array([head_position(name) for name in PROBE_NAMES])
    volts = 2e-5 * rng.standard_normal((len(PROBE_NAMES), 40 * 256))
    prepared = prepare(Signal(volts, PROBE_NAMES, places, 256.0, name="fixed input"), recipe, missing="skip")
    first = prepared.take([0])
    noise = np.random.RandomState(1).standard_normal(first.data.shape).astype(np.float32)
    return replace(first, data=noise)
