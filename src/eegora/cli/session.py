"""One command's run: load, read, prepare, each timed and said aloud as the user asked. Commands add the task itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from eegora.cli.options import ModelOptions, OutputOptions, RecordingOptions, WindowOptions, pairs, settings, words
from eegora.stream import LIMIT

if TYPE_CHECKING:
    from pathlib import Path

    from eegora.model import Model
    from eegora.preparation import Outlook, Preparation
    from eegora.provenance import Provenance
    from eegora.recipes.recipe import Step
    from eegora.signal import Signal
    from eegora.stream import Room, Stream
    from eegora.windows import Windows

LOG_EVERY_S = 30.0  # between lines of progress where no bar can move


@dataclass(frozen=True)
class Watcher:
    """Who is told how far a long run is.

    Parameters
    ----------
    what : str
        What is done.
    note : callable
        Takes a line.
    move : callable
        Takes the windows done and the windows in all.
    """

    what: str
    note: Callable[[str], None]
    move: Callable[[int, int], None] = lambda done, total: None

    def __call__(self, done: int, total: int) -> None:
        """Move on."""
        self.move(done, total)

    def expect(self, outlook: Outlook) -> None:
        """Say how long it will take, before it starts; nothing where nobody knows."""
        if outlook.seconds is not None:
            self.note(f"{self.what} {outlook}")


@dataclass
class Session:
    """What a command says and how long its phases take.

    Attributes
    ----------
    output : OutputOptions
    timings : dict of str to float
        Seconds per phase, in order.
    """

    output: OutputOptions
    timings: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase; announce it with --verbose."""
        start = perf_counter()
        yield
        self.timings[name] = perf_counter() - start
        self.detail(f"{len(self.timings)}. {name}: {self.timings[name]:.3f} s")

    def detail(self, line: str) -> None:
        """Say something only with --verbose."""
        if self.output.verbose:
            sys.stderr.write(line + "\n")

    def note(self, line: str) -> None:
        """Say something that a careful user wants to know."""
        if not self.output.quiet:
            sys.stderr.write(f"note: {line}\n")

    def record(self, path: Path, made: Provenance, **own: Any) -> dict[str, Any]:
        """Return what a command that writes a result says of it: its own facts amid those of every result."""
        facts = {"untrained": made.untrained, "notes": list(made.notes), "timings": self.timings}
        return {"output": str(path), "task": made.task, **own, **facts}

    def done(self, record: dict[str, Any], line: str) -> None:
        """End with one line, or with the record as JSON; the line says whether parameters were random, and of several models whose."""
        if self.output.as_json:
            sys.stdout.write(json.dumps(record, indent=2) + "\n")
        elif not self.output.quiet:
            untrained = record.get("untrained")
            which = f": {', '.join(untrained)}" if isinstance(untrained, list) else ""
            sys.stdout.write(line + f"; UNTRAINED{which}" * bool(untrained) + "\n")

    @contextmanager
    def progress(self, what: str) -> Iterator[Watcher]:
        """Say what is about to be done and show a bar on stderr; without a terminal a line now and then, with --quiet nothing.

        Between two batches of windows the steps of a sampler are told.
        """
        from eegora.compute.pulse import listening

        if self.output.quiet:
            yield Watcher(what, self.note)
            return
        if not sys.stderr.isatty():
            lines = _Lines(what)
            with listening(lines.step):
                yield Watcher(what, self.note, lines.move)
            return
        from rich.console import Console
        from rich.progress import Progress

        def step(done: int, total: int) -> None:
            bar.update(task, description=f"{what}, step {done} of {total}")

        with Progress(console=Console(stderr=True), transient=True) as bar, listening(step):
            task = bar.add_task(what, total=None)
            yield Watcher(what, self.note, lambda done, total: bar.update(task, completed=done, total=total))

    def foresee(
        self, name: str, task: str, model: ModelOptions, recording: RecordingOptions, pooling: str | None = None
    ) -> None:
        """Find the mistakes that need neither the recording nor the network, before either is touched.

        Raises
        ------
        UsageError, CheckpointError
        """
        from eegora import registry
        from eegora.errors import CheckpointError, UsageError
        from eegora.recipes.fill import CHOICES
        from eegora.recipes.prepare import UNKNOWN

        _, spec, _ = registry.find(name)
        registry.check_offers(spec, task)
        preparation(recording).applied(registry.find_recipe(spec, recording.recipe).checked())
        given = (
            ("non-finite", recording.non_finite, ("refuse", "interpolate")),
            ("missing", recording.missing, CHOICES),
            ("unknown", recording.unknown, UNKNOWN),
        )
        for option, value, known in (*given, ("pooling", pooling, tuple(spec.poolings))):
            if value is not None and value not in known:
                raise UsageError("bad_option", f"--{option} {value} came", hint=f"use one of {', '.join(known)}")
        spec.check_settings(settings(recording.set))
        for file in (model.checkpoint, model.config):
            if file is not None and not file.exists():
                raise CheckpointError("not_found", f"{file}: there is no such file", hint="check the path")

    def load(self, name: str, options: ModelOptions, task: str = "") -> Model:
        """Load a model as the options say; for one task alone, only what that needs."""
        from eegora import registry
        from eegora.assembly import fields_in
        from eegora.compute.device import set_threads
        from eegora.loading import load_model

        set_threads(options.threads)
        parts = registry.find(name)[1].parts.get(task, ())
        config = {**(fields_in(options.config) or {}), **dict.fromkeys(parts, True)} if parts else options.config
        with self.phase("load the model" if "load the model" not in self.timings else f"load {name}"):
            model = load_model(
                name,
                checkpoint=options.source,
                config=config,
                untrained=options.seed if options.untrained else None,
                device=options.device,
                dtype=options.dtype,
                offline=options.offline,
            )
        self.detail(f"   {model!r}: {model.coverage}")
        return model

    def read(self, options: RecordingOptions, times: float = 3) -> tuple[Any, Any]:
        """Read what the options name as a whole: a Signal and its Raw, or Trials and None.

        What the work will take of memory, `times` the samples, is said where that is much.

        Raises
        ------
        RecordingError
            ``too_large``.
        """
        from eegora.recordings.fits import check_fits
        from eegora.signal import Signal

        signal, raw = self.read_any(options, None)
        if isinstance(signal, Signal) and (n_bytes := signal.data.nbytes) > LIMIT:
            self.note(
                f"held as a whole: {n_bytes / 1e9:.3g} GB of samples, about {n_bytes * times / 1e9:.3g} GB in all"
            )
            check_fits(signal.name, n_bytes, times, there=1)
        return signal, raw

    def read_any(self, options: RecordingOptions, room: Room | None) -> tuple[Any, Any]:
        """Read what the options name, or open it as a Stream where it is too large for the room."""
        from eegora.recordings.checks import NonFinite
        from eegora.recordings.source import load, marked_bad
        from eegora.results.windows import holds_windows, load_windows

        if holds_windows(options.recording):
            _check_ready_made(options)
            with self.phase("read the windows"):
                return load_windows(options.recording), None
        with self.phase("read the recording"), self.told(room, "looking through") as room:
            signal, raw = load(
                options.recording,
                room,
                units=options.units,
                sfreq=options.sfreq,
                montage=options.montage,
                non_finite=cast(NonFinite, options.non_finite),
                rename=pairs(options.rename),
                include=words(options.include),
                channels=words(options.pick),
            )
            signal = marked_bad(signal, words(options.bads))
        self.detail(f"   {len(signal.ch_names)} channels, {signal.sfreq:g} Hz, {signal.seconds:.1f} s")
        return signal, raw

    @contextmanager
    def told(self, room: Room | None, what: str) -> Iterator[Room]:
        """Show a bar for what is done in pieces; without a room nothing is."""
        from eegora.stream import Room

        with self.progress(what) as progress:
            yield replace(room, progress=progress) if room else Room(limit=sys.maxsize)

    def prepare(
        self,
        model: Model,
        signal: Signal | Stream,
        options: RecordingOptions,
        task: str,
        *,
        every: float | None = None,
        room: Room | None = None,
    ) -> tuple[Windows, Preparation]:
        """Run the recipe, step by step as --verbose tells."""
        clock = [perf_counter()]

        def watch(step: Step, state: Signal | Windows) -> None:
            now = perf_counter()
            self.detail(f"   {step.name}: {' × '.join(map(str, state.data.shape))}, {now - clock[0]:.3f} s")
            clock[0] = now

        with self.phase("prepare the windows"), self.told(room, "preparing") as room:
            how = replace(preparation(options), every=every, room=room)
            # Steps that are watched neither go in blocks nor write where they read.
            windows = model.prepare(signal, how, task=task, watch=watch if self.output.verbose else None)
        reading = {name: getattr(options, name) for name in ("units", "sfreq", "montage")} | {
            "bads": words(options.bads),
            "rename": pairs(options.rename),
            "include": words(options.include),
            "channels": words(options.pick),
        }
        given = {name: value for name, value in reading.items() if value}
        windows = replace(windows, choices={**windows.choices, **given})
        if self.output.verbose:
            from eegora.report.tables import electrode_table, plan_table, show

            show(plan_table(windows.plan), stderr=True)
            show(electrode_table(windows.ch_names, windows.ch_pos), stderr=True)
        return windows, replace(how, room=replace(room, progress=None))

    def say_notes(self, windows: Windows, model: Model, task: str = "embed", *, about: str = "") -> None:
        """Repeat the notes of the recording and the checkpoint, and that random parameters were used."""
        for line in model.provenance(task, windows, None).notes:
            self.note(f"{about}{line}")


@dataclass
class _Lines:
    """Progress as a line on stderr if the last one is some time ago: for the log of a long job."""

    what: str
    windows: str = ""
    last: float = field(default_factory=perf_counter)

    def move(self, done: int, total: int) -> None:
        """Take the windows done and the windows in all."""
        self.windows = f"{done} of {total} windows"
        self._tell(self.windows)

    def step(self, done: int, total: int) -> None:
        """Take the steps done in a batch, and its steps in all."""
        self._tell(", ".join(word for word in (self.windows, f"step {done} of {total}") if word))

    def _tell(self, words: str) -> None:
        if perf_counter() - self.last >= LOG_EVERY_S:
            self.last = perf_counter()
            sys.stderr.write(f"{self.what}: {words}\n")


def _check_ready_made(options: RecordingOptions) -> None:
    """Refuse options on how a recording becomes windows, where windows came."""
    from eegora.errors import UsageError

    for name, field_ in type(options).__dataclass_fields__.items():
        if name not in ("recording", "set", "unknown") and getattr(options, name) not in (field_.default, "keep"):
            told = f"{options.recording} holds prepared windows: --{name.replace('_', '-')} comes too late"
            raise UsageError("bad_options", told, hint="give it to `eegora recipe run`")


def preparation(options: RecordingOptions) -> Preparation:
    """Return how the options want the recording prepared."""
    from eegora.preparation import Preparation

    how = Preparation(
        recipe=options.recipe,
        missing=options.missing,
        unknown=options.unknown,
        exclude=words(options.exclude),
        settings=settings(options.set),
    )
    if not isinstance(options, WindowOptions):
        return how
    return replace(how, line_freq=options.line_freq, reject_annotated=options.reject_annotated)


def with_inputs(result: Any, model: Model, windows: Windows, how: Preparation, wanted: bool) -> Any:
    """Return a result that carries the network's inputs, if wanted."""
    return replace(result, extras=model.inputs(windows, how)) if wanted else result
