"""Options that commands share, spelled once: dataclasses whose fields become options of every command that takes them."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from inspect import Parameter, Signature, signature
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any, get_type_hints

import typer

from eegora.checkpoints.published import Elsewhere
from eegora.errors import UsageError
from eegora.stream import LIMIT, Room

LineFreq = Annotated[
    str | None,
    typer.Option(metavar="HZ", help="Where the mains are: 50 or 60 moves the recipe's notch, off leaves it out."),
]
RejectAnnotated = Annotated[
    bool, typer.Option("--reject-annotated", help="Drop windows that overlap an annotation that begins with BAD.")
]

Rename = Annotated[
    list[str] | None,
    typer.Option(metavar="OLD=NEW", help="What labels stand for (ch1=Fp1); comma-separated, repeatable."),
]
Include = Annotated[
    list[str] | None,
    typer.Option(metavar="A,B", help="Labels to take as EEG although nobody knows them; comma-separated, repeatable."),
]
Pick = Annotated[
    list[str] | None, typer.Option(metavar="A,B", help="Take no other channel as EEG; comma-separated, repeatable.")
]


def complete_model(begun: str) -> list[str]:
    """Return the models whose names begin so, for the shell."""
    from eegora import registry

    return [name for name in registry.names() if name.startswith(begun)]


@dataclass(frozen=True)
class ModelOptions:
    """Which model, with which parameters, where."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="Model and variant; `eegora models` lists them.", autocompletion=complete_model
        ),
    ] = None
    checkpoint: Annotated[
        Path | None, typer.Option(help="A checkpoint file of your own (.safetensors, .pt, .ckpt).")
    ] = None
    config: Annotated[Path | None, typer.Option(help="Its config.json, where the tensors do not tell all.")] = None
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Random parameters: tries everything out, means nothing.")
    ] = False
    seed: Annotated[int, typer.Option(help="Seed of --untrained.")] = 0
    offline: Annotated[bool, typer.Option("--offline", help="Never ask the network.")] = False
    repo: Annotated[str | None, typer.Option(help="Take the published checkpoint from this repository.")] = None
    revision: Annotated[str | None, typer.Option(help="Take it at this commit or branch.")] = None
    hf_cache: Annotated[
        Path | None, typer.Option("--hf-cache", metavar="DIR", help="The hub's cache, instead of HF_HUB_CACHE.")
    ] = None
    bundle: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder made by `eegora fetch --to`, instead of EEGORA_BUNDLE.")
    ] = None
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps; cuda+compile: compile first.")] = "auto"
    dtype: Annotated[str, typer.Option(help="float32, float64, bfloat16, float16; tf32 on CUDA.")] = "float32"
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None
    batch_size: Annotated[int | None, typer.Option(min=1, help="Windows per run; results do not depend on it.")] = None

    @property
    def source(self) -> Path | Elsewhere:
        """Where the checkpoint comes from: the user's own file, or the places of the published one.

        Raises
        ------
        UsageError
            ``bad_options`` if both were named.
        """
        place = Elsewhere(self.repo, self.revision, self.hf_cache, self.bundle)
        if self.checkpoint is None:
            return place
        if place != Elsewhere():
            raise UsageError(
                "bad_options",
                "--checkpoint names a file; --repo, --revision, --hf-cache and --bundle say where to look for one",
                hint="leave one of them out",
            )
        return self.checkpoint


@dataclass(frozen=True)
class RecordingOptions:
    """Which recording, and how it becomes windows."""

    recording: Annotated[Path, typer.Argument(metavar="RECORDING", help="A file that MNE reads, or CSV.")]
    recipe: Annotated[
        str | None, typer.Option(help="A recipe of the model, or a .toml file; of several models MODEL=RECIPE,…")
    ] = None
    missing: Annotated[
        str | None,
        typer.Option(
            help="Electrodes that the recipe wants and the recording lacks: refuse, skip, or fill them with"
            " zero, nearest, inverse-distance, mean or spline."
        ),
    ] = None
    unknown: Annotated[
        str | None, typer.Option(help="Channels that the model has no position or row for: refuse or drop.")
    ] = None
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="A,B", help="Channels to leave out; comma-separated, repeatable.")
    ] = None
    bads: Annotated[
        list[str] | None, typer.Option(metavar="A,B", help="Channels to mark bad; comma-separated, repeatable.")
    ] = None
    units: Annotated[str | None, typer.Option(help="Unit of the samples where the file does not say: V, mV, uV.")] = (
        None
    )
    sfreq: Annotated[float | None, typer.Option(help="Sampling rate in Hz where the file does not say.")] = None
    non_finite: Annotated[
        str, typer.Option(help="NaN and infinite samples: refuse, or interpolate (over 0.1 s at most).")
    ] = "refuse"
    montage: Annotated[str | None, typer.Option(help="Take electrode positions from this MNE montage.")] = None
    rename: Rename = None
    include: Include = None
    pick: Pick = None
    set: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A choice that the model offers, by its name; repeatable."),
    ] = None


@dataclass(frozen=True)
class WindowOptions(RecordingOptions):
    """The same where a network sees windows one by one, and what of the recipe an option changes."""

    line_freq: LineFreq = None
    reject_annotated: RejectAnnotated = False


@dataclass(frozen=True)
class SamplerOptions:
    """How a model that samples does it."""

    steps: Annotated[int | None, typer.Option(min=1, help="Steps of the sampler; default: the model's.")] = None
    cfg: Annotated[float | None, typer.Option(help="Guidance; 1 is none.")] = None
    noise_seed: Annotated[int | None, typer.Option(help="Seed of the sampler's noise; default: the model's, 0.")] = None

    @property
    def settings(self) -> dict[str, Any]:
        """Return those that were given, by the models' names for them."""
        given = {"steps": self.steps, "cfg": self.cfg, "seed": self.noise_seed}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class RoomOptions:
    """What happens to a recording that is too large to be held."""

    memory: Annotated[
        float, typer.Option(min=0, metavar="MB", help="Samples (8 bytes each) beyond which a recording goes in pieces.")
    ] = LIMIT / 1e6
    temp: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where temporary files of such a recording go, instead of TMPDIR."),
    ] = None

    def room(self, *, way_back: bool = False) -> Room:
        """Return the room that a recording has, with or without its way back to volts."""
        return Room(round(self.memory * 1e6), self.temp, way_back)


@dataclass(frozen=True)
class OutputOptions:
    """Where the result goes and how much is said."""

    out: Annotated[Path | None, typer.Option("--out", "-o", help="Result file; its suffix is its format.")] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the result file if it exists.")] = False
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Number and time the steps.")] = False


SaveInputs = Annotated[bool, typer.Option("--save-inputs", help="Keep the tensors that went into the network.")]


def expand(
    function: Callable[..., None], only: Collection[str] | None = None, defaults: Mapping[str, Any] | None = None
) -> Callable[..., None]:
    """Let typer see the fields of the option dataclasses that a command takes, one by one.

    Parameters
    ----------
    function : callable
        The command.
    only : collection of str, optional
        The fields to show; the others keep their defaults.
    defaults : dict, optional
        Defaults of this command, by field.
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, list[str]] = {}
    parameters: list[Parameter] = []
    # A command may spell a shared option anew; one that must be given is then still the group's.
    own = {name for name, kind in hints.items() if not is_dataclass(kind)}
    for parameter in signature(function).parameters.values():
        kind = hints[parameter.name]
        if not is_dataclass(kind):
            parameters.append(parameter.replace(annotation=kind, kind=Parameter.KEYWORD_ONLY))
            continue
        shown = [f for f in fields(kind) if f.name not in own and (only is None or f.name in only)]
        groups[parameter.name] = [f.name for f in shown]
        field_hints = get_type_hints(kind, include_extras=True)
        for f in shown:
            default = (defaults or {}).get(f.name, Parameter.empty if f.default is MISSING else f.default)
            parameters.append(
                Parameter(f.name, Parameter.KEYWORD_ONLY, default=default, annotation=field_hints[f.name])
            )

    @functools.wraps(function)
    def call(**given: Any) -> None:
        made = {}
        for name, shown in groups.items():
            asked = {f.name: given[f.name] for f in fields(hints[name]) if f.name in own and f.default is MISSING}
            made[name] = hints[name](**{field: given.pop(field) for field in shown}, **asked)
        function(**made, **given)

    # typer asks both; wraps() would show it the group parameters.
    call.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in parameters}
    del call.__wrapped__
    return call


def model_name(given: str | None, task: str) -> str:
    """Return the model that was named, or the only one that offers a task.

    Raises
    ------
    UsageError
        ``which_model`` if several do.
    """
    from eegora import registry
    from eegora.spec import act

    if given is not None:
        return given
    able = [
        registry.full_name(spec, v) for spec in registry.specs().values() if task in spec.tasks for v in spec.variants
    ]
    if len(able) != 1:
        raise UsageError(
            "which_model", f"no model was named; models that {act(task)}: {', '.join(able)}", hint="--model NAME"
        )
    return able[0]


def words(given: Sequence[str] | None) -> tuple[str, ...]:
    """Split comma-separated, repeated values."""
    return tuple(word.strip() for item in given or () for word in item.split(",") if word.strip())


def pairs(given: Sequence[str] | None, option: str = "--rename", like: str = "ch1=Fp1") -> dict[str, str]:
    """Read comma-separated, repeated ``A=B``, such as `like`.

    Raises
    ------
    UsageError
        ``bad_option``.
    """
    found: dict[str, str] = {}
    for word in words(given):
        old, sign, new = (part.strip() for part in word.rpartition("="))
        if not (old and sign and new):
            raise UsageError("bad_option", f"{option} {word!r} came, wanted {like}", hint=f"{option} {like}")
        if found.setdefault(old, new) != new:
            raise UsageError("bad_option", f"{option} {old}={found[old]} and {old}={new} came", hint="give one of them")
    return found


def output_path(
    output: OutputOptions,
    default: str,
    recording: Path,
    endings: Sequence[str],
    roomy: Sequence[str] = (),
    save_inputs: bool = False,
) -> Path:
    """Return where a command's result goes, before any work is done for it.

    Parameters
    ----------
    output : OutputOptions
    default : str
        File name if none was given.
    recording : Path
    endings : sequence of str
        Suffixes that the result can be saved with.
    roomy : sequence of str
        Those that have room for the network's inputs.
    save_inputs : bool

    Raises
    ------
    UsageError
        ``unknown_suffix``, ``no_room_for_inputs``; as `result_path`.
    """
    path = result_path(output.out, default, output.overwrite, recording)
    if path.suffix.lower() not in endings:
        raise UsageError(
            "unknown_suffix", f"{path}: a result cannot be saved as that", hint=f"use {', '.join(endings)}"
        )
    if save_inputs and path.suffix.lower() not in roomy:
        raise UsageError(
            "no_room_for_inputs",
            f"{path} has no room for the tensors that --save-inputs keeps",
            hint=f"use {', '.join(roomy)}" if roomy else "leave out --save-inputs",
        )
    return path


def settings(given: Sequence[str] | None) -> dict[str, Any]:
    """Read ``NAME=VALUE`` words; a value is JSON where it can be read as such, else text.

    Raises
    ------
    UsageError
        ``bad_setting``.
    """
    found: dict[str, Any] = {}
    for word in given or ():
        name, sign, value = (part.strip() for part in word.partition("="))
        if not sign or not name:
            raise UsageError(
                "bad_setting", f"--set {word!r} came, wanted NAME=VALUE", hint="--set NAME=VALUE, once for each"
            )
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def result_path(given: Path | None, default: str, overwrite: bool, recording: Path) -> Path:
    """Return where a file goes, and refuse to replace one that was not meant.

    Raises
    ------
    UsageError
        ``exists`` or ``bad_output``; ``cannot_write``, before any work is done.
    """
    path = given or Path(default)
    if path.is_dir():
        raise UsageError("bad_output", f"{path} is a folder; wanted a file name", hint=f"-o {path / default}")
    if path.exists() and recording.exists() and path.samefile(recording):
        raise UsageError("bad_output", f"{path} is the recording itself, which is never written to", hint="-o another")
    if path.exists() and not overwrite:
        raise UsageError("exists", f"{path} is there already; it was not touched", hint="--overwrite, or -o another")
    check_writable(path)
    return path


def check_folder(folder: Path | None) -> None:
    """Find out whether files can be written to a folder, if one is wanted. Raises as `check_writable`."""
    if folder is not None:
        check_writable(folder / "file")


def check_writable(path: Path) -> None:
    """Find out whether a file can be written to a place, or to the nearest folder above it, by doing so.

    Raises
    ------
    UsageError
        ``cannot_write``.
    """
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError("cannot_write", f"cannot write {path}: {folder}: {reason}", hint="-o another place") from error
