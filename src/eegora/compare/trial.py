"""Good channels of a recording hidden, brought back by a model and by plainer methods, and held against what was measured.

Knows no model: whichever offers `Model.repair` can be tried. What is hidden is `hiding`'s choice, plainer methods are
`baselines`', numbers are `measures`'.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.compare import baselines, hiding
from eegora.compare.hiding import Hidden, Run, Wish
from eegora.compare.measures import measures
from eegora.compare.stretch import cropped, quietest, spoilt, within
from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.preparation import Preparation, Progress
from eegora.recipes import kernels
from eegora.recipes.recipe import Recipe
from eegora.recipes.steps import STEPS
from eegora.recordings.positions import head_position
from eegora.recordings.source import as_signal, marked_bad, without
from eegora.results.repair import Repair
from eegora.results.score import Score, Trace, won
from eegora.signal import Annotation, Array, Signal, runs

if TYPE_CHECKING:
    from eegora.model import Model
    from eegora.recordings.source import Source

SHORTEST = 0.25  # seconds of good signal that a figure needs
SHOWN = 5.0  # seconds of each channel kept for the eye
AREAS = {
    "frontal": "Fp1 Fp2 F7 F3 Fz F4 F8",
    "central": "C3 Cz C4",
    "temporal": "T3 T4 T5 T6",
    "parietal": "P3 Pz P4",
    "occipital": "O1 Oz O2",
}


@dataclass(frozen=True, eq=False)
class Trial:
    """What is to be tried, checked and laid out before a network runs. Made by `prepare_trial`.

    Parameters
    ----------
    signal : Signal
        The stretch that is tried, as recorded.
    truth : ndarray, shape (n_good, n_times)
        Volts of the good channels in the band that the model keeps.
    good : tuple of str
        Channels that may be hidden, and from which plainer methods take what they see.
    counted : ndarray of bool, shape (n_times,)
        Samples in which nothing is annotated as bad.
    runs : tuple of tuple of Hidden
    start : float
        Where in the recording the stretch begins, seconds.
    recipe : Recipe
    how : Preparation
    wish : Wish
    wanted : dict
        Options of the repair.
    """

    signal: Signal
    truth: Array
    good: tuple[str, ...]
    counted: np.ndarray
    runs: tuple[Run, ...]
    start: float
    recipe: Recipe
    how: Preparation
    wish: Wish
    wanted: Mapping[str, Any]

    @property
    def ch_pos(self) -> Array:
        """Positions of the good channels, shape (n_good, 3), metres."""
        return self.signal.ch_pos[self.rows]

    @property
    def rows(self) -> list[int]:
        """Where the good channels are in the signal."""
        return [self.signal.ch_names.index(name) for name in self.good]


def score_repair(
    source: Source,
    model: Model,
    wish: Wish | None = None,
    how: Preparation | None = None,
    *,
    progress: Progress | None = None,
    **wanted: Any,
) -> Score:
    """Hide good channels of a recording, bring them back, and say how well that went.

    Parameters
    ----------
    source : path, mne Raw, (array, ch_names, sfreq[, unit]) or Signal
    model : Model
        One that repairs.
    wish : Wish, optional
        What to hide; default: every good channel once, in at most eight runs over at most a minute.
    how : Preparation, optional
    progress : callable, optional
        Called with the runs done and the runs in all.
    **wanted
        As in `Model.repair`: what is bad already, settings, ``batch_size``.

    Returns
    -------
    Score

    Raises
    ------
    ChannelError
        ``no_such_channel``, ``bad_channel``, ``too_few_channels``.
    UsageError
        ``too_many_hidden``, ``bad_option``.
    RecordingError
        ``all_bad``, ``too_short``.

    Examples
    --------
    >>> from eegora.compare import Wish, score_repair
    >>> score_repair(raw, model, Wish(channels=("Cz", "Pz"))).sentence  # doctest: +SKIP
    """
    return run_trial(prepare_trial(source, model, wish, how, **wanted), model, progress)


def prepare_trial(
    source: Source, model: Model, wish: Wish | None = None, how: Preparation | None = None, **wanted: Any
) -> Trial:
    """Choose what will be hidden; parameters and errors as in `score_repair`."""
    wish, how = wish or Wish(), how or Preparation()
    signal = without(as_signal(source), how.exclude)
    signal = marked_bad(signal, wanted.pop("bads", ()))
    if "repair" not in model.tasks:
        model.able("repair", None)  # says which models do
    spans = [_annotation(signal, span) for span in wanted.pop("spans", ())]
    marked = signal.annotations if wanted.pop("use_annotations", True) else ()
    signal = replace(signal, annotations=(*marked, *spans))
    start = quietest(signal, wish.seconds)
    signal = cropped(signal, start, wish.seconds)
    recipe = model.recipe(how)
    limited = _limited(signal, recipe)
    good, counted = _good(signal, limited)
    chosen = _named(signal, good, wish)
    taken = [(a / signal.sfreq, b / signal.sfreq) for a, b in runs(~counted)]
    places = signal.ch_pos[[signal.ch_names.index(name) for name in good]]
    shares = hiding.runs_of(chosen, good, places, signal.seconds, taken)
    truth = limited.data[[limited.ch_names.index(name) for name in good]]
    return Trial(signal, truth, good, counted, shares, start, recipe, how, wish, wanted)


def seconds_needed(trial: Trial, model: Model) -> float:
    """Estimate how long a trial takes: one window is repaired and timed. Rather too much than too little."""
    length = model.window_seconds(trial.how)
    first = cropped(trial.signal, 0.0, length)
    begun = perf_counter()
    _repaired(trial, model, first, (replace(trial.runs[0][0], kind="span", start=0.0, stop=length / 2),))
    windows = sum(_windows_touched(run, trial.signal.seconds, length) for run in trial.runs)
    return (perf_counter() - begun) * windows


def run_trial(trial: Trial, model: Model, progress: Progress | None = None) -> Score:
    """Run a trial; parameters as in `score_repair`."""
    rows: list[dict[str, Any]] = []
    traces: list[Trace] = []
    record = None
    for number, run in enumerate(trial.runs):
        shown = hidden_from(trial.signal, run)
        done = _repaired(trial, model, shown, run)
        record = record or done.provenance
        visible = _limited(shown, trial.recipe)
        data = visible.data[[visible.ch_names.index(name) for name in trial.good]]
        ours = _in_band(done, trial)
        plainer: dict[tuple[float, float], dict[str, Array]] = {}
        for item in run:
            when = (item.start, item.stop)
            plainer[when] = plainer.get(when) or _plainer(trial, data, item, run)
            answers = {model.spec.title: ours, **plainer[when]}
            for found, trace in _judged(trial, item, answers):
                at_once = len({name for other in run if _overlap(item, other) for name in other.ch_names})
                rows += [{**row, "run": number, "hidden_at_once": at_once} for row in found]
                traces.append(trace)
        if progress is not None:
            progress(number + 1, len(trial.runs))
    if not rows or record is None:
        raise RecordingError(
            "all_bad", f"{trial.signal.name}: nothing hidden has a good quarter of a second to judge by"
        )
    # Whole channels in the recording's order, whichever run they were hidden in.
    rows.sort(key=lambda row: (row["kind"] != "channel", row["kind"] == "channel" and trial.good.index(row["channel"])))
    options = {name: value for name, value in record.options.items() if name not in ("bads", "spans")}
    methods = (model.spec.title, *baselines.SPATIAL, *baselines.TEMPORAL)
    placed = np.flatnonzero(np.isfinite(trial.signal.ch_pos).all(axis=1))
    return Score(
        table=tuple(rows),
        methods=tuple(m for m in methods if any(row["method"] == m for row in rows)),
        traces=tuple(traces),
        ch_names=tuple(trial.signal.ch_names[i] for i in placed),
        ch_pos=trial.signal.ch_pos[placed],
        stretch=(trial.start, trial.start + trial.signal.seconds),
        sfreq=trial.signal.sfreq,
        band=_band(trial.recipe, trial.signal.sfreq),
        meaningless=model.untrained,
        provenance=replace(record, task="score", options={**options, "hide": asdict(trial.wish)}),
    )


def hidden_from(signal: Signal, run: Run) -> Signal:
    """Return a signal in which nothing of what a run hides is left: zeros throughout, straight lines across stretches."""
    data = np.array(signal.data)
    for item in run:
        rows = [signal.ch_names.index(name) for name in item.ch_names]
        if item.throughout:
            data[rows] = 0.0
        else:
            data[rows] = baselines.bridged(data[rows], *within(item, signal))
    return replace(signal, data=data)


def _annotation(signal: Signal, span: Sequence[Any]) -> Annotation:
    """Write the user's bad span (start, stop, channel ...) as an annotation: it moves with the signal when that is cropped."""
    if not 0 <= span[0] < span[1]:
        raise UsageError("bad_option", f"span {span[0]}:{span[1]} came, wanted start before stop, in seconds")
    names = marked_bad(replace(signal, bads=()), span[2:]).bads
    return Annotation(span[0], span[1] - span[0], "BAD_span", names)


def _good(signal: Signal, limited: Signal) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the channels whose truth is known, and the samples in which it is."""
    shares = {name: spoilt(signal, name) for name in signal.ch_names}
    good = []
    for name, volts, place in zip(signal.ch_names, signal.data, signal.ch_pos, strict=True):
        measured = np.isfinite(volts).all() and np.ptp(volts) > 0 and shares[name].mean() < 0.5
        if measured and np.isfinite(place).all() and name not in signal.bads and name in limited.ch_names:
            good.append(name)
    counted = ~np.any([shares[name] for name in good], axis=0) if good else np.ones(signal.n_times, bool)
    return tuple(good), counted


def _named(signal: Signal, good: Sequence[str], wish: Wish) -> Wish:
    """Bring the user's names to those of the recording."""
    if not isinstance(wish.channels, tuple):
        return wish
    names = marked_bad(replace(signal, bads=()), wish.channels).bads
    unknown = [name for name in names if name not in good]
    if unknown:
        raise ChannelError(
            "bad_channel",
            f"{signal.name}: {', '.join(unknown)} cannot be hidden: bad, flat, not finite or without a position, so its truth is not known",
            hint=f"--hide with some of {' '.join(good) or 'none that are good'}",
        )
    return replace(wish, channels=names)


def _limited(signal: Signal, recipe: Recipe) -> Signal:
    """Limit a signal to what the model keeps of it, at its own rate: the recipe's filters, and its resampling there and back."""
    done = replace(signal, data=np.where(np.isfinite(signal.data), signal.data, 0.0))
    for step in recipe.limiting:
        done = STEPS[step.name].function(done, **step.options)
    return replace(done, data=_at_rate(done.data, done.sfreq, signal), sfreq=signal.sfreq)


def _at_rate(data: Array, rate: float, like: Signal) -> Array:
    out = kernels.resample(np.asarray(data, np.float64), rate, like.sfreq)[:, : like.n_times]
    return np.pad(out, ((0, 0), (0, like.n_times - out.shape[1])), mode="edge")


def _band(recipe: Recipe, sfreq: float) -> str:
    """Say in words what `_limited` leaves."""
    limits = recipe.limiting
    rates = [sfreq, *(float(step.options["rate"]) for step in limits if step.options.get("rate"))]
    lows = [float(step.options["l_freq"]) for step in limits if step.options.get("l_freq")]
    highs = [float(step.options["h_freq"]) for step in limits if step.options.get("h_freq")]
    return (
        f"limited to {max(lows, default=0.0):g} to {min([*highs, min(rates) / 2]):g} Hz, as recipe {recipe.name} does"
    )


def _repaired(trial: Trial, model: Model, shown: Signal, run: Run) -> Repair:
    """Let the model fill what is hidden."""
    bads = [name for item in run if item.throughout for name in item.ch_names]
    spans = [
        (item.start, item.stop, *names)
        for item in run
        if not item.throughout
        for names in ([()] if item.kind == "gap" else [(name,) for name in item.ch_names])
    ]
    return model.repair(shown, replace(trial.how, exclude=()), **{**trial.wanted, "bads": tuple(bads), "spans": spans})


def _in_band(done: Repair, trial: Trial) -> Array:
    """Return the model's own version of the good channels at the recording's rate, volts (n_good, n_times)."""
    windows = done.details.windows
    rows = [windows.ch_names.index(name) for name in trial.good]
    return _at_rate(done.details.hybrid[rows], windows.sfreq, trial.signal)


def _plainer(trial: Trial, data: Array, item: Hidden, run: Run) -> dict[str, Array]:
    """Fill what is hidden without a model; rows of good channels that were not hidden stay as they are."""
    start, stop = within(item, trial.signal)
    found: dict[str, Array] = {}
    names = {name for other in run if _overlap(item, other) for name in other.ch_names}
    hidden = [i for i, name in enumerate(trial.good) if name in names]
    if item.kind != "gap":
        for method, filled in baselines.spatial(
            data[:, start:stop], trial.good, trial.ch_pos, hidden, trial.signal.sfreq
        ).items():
            found[method] = np.array(data)
            found[method][hidden, start:stop] = filled
    if not item.throughout:
        for method, filled in baselines.temporal(data, start, stop).items():
            found[method] = np.array(data)
            found[method][:, start:stop] = filled
    return found


def _overlap(one: Hidden, other: Hidden) -> bool:
    return one.start < other.stop and other.start < one.stop


def _judged(trial: Trial, item: Hidden, answers: Mapping[str, Array]) -> Iterator[tuple[list[dict[str, Any]], Trace]]:
    """Measure every method on each channel of a hidden thing."""
    start, stop = within(item, trial.signal)
    sfreq = trial.signal.sfreq
    pieces = [(start + a, start + b) for a, b in runs(trial.counted[start:stop])]
    if sum(b - a for a, b in pieces) < SHORTEST * sfreq:
        return
    first, last = _shown(item, pieces, trial.signal)
    for name in item.ch_names:
        i = trial.good.index(name)
        rows = [
            {
                "kind": item.kind,
                "hidden": item.label,
                "channel": name,
                "area": area_of(trial.ch_pos[i]),
                "start": trial.start + item.start,
                "stop": trial.start + item.stop,
                "method": method,
                "n_samples": sum(b - a for a, b in pieces),
                **measures(trial.truth[i], answer[i], sfreq, pieces),
            }
            for method, answer in answers.items()
        ]
        for row, is_won in zip(rows, won(rows), strict=True):
            row["won"] = is_won
        shown = {method: answer[i, first:last].astype(np.float32) for method, answer in answers.items()}
        hidden = (trial.start + item.start, trial.start + item.stop)
        truth = trial.truth[i, first:last].astype(np.float32)
        yield rows, Trace(item.kind, name, trial.start + first / sfreq, hidden, truth, shown)


def _shown(item: Hidden, pieces: Sequence[tuple[int, int]], signal: Signal) -> tuple[int, int]:
    """Choose what the eye gets: a few seconds of a channel hidden throughout, else the stretch and as much around it."""
    start, stop = within(item, signal)
    if not item.throughout:
        return max(0, 2 * start - stop), min(signal.n_times, 2 * stop - start)
    longest = max(pieces, key=lambda piece: piece[1] - piece[0])
    n_shown = min(longest[1] - longest[0], round(SHOWN * signal.sfreq))
    first = (sum(longest) - n_shown) // 2
    return first, first + n_shown


def area_of(place: Array) -> str:
    """Return the part of the head that the nearest electrode of the 10-20 system lies over."""
    nearest = {
        area: min(float(np.linalg.norm(place - np.asarray(head_position(name)))) for name in names.split())
        for area, names in AREAS.items()
    }
    return min(nearest, key=nearest.__getitem__)


def _windows_touched(run: Run, seconds: float, length: float) -> int:
    """Count the windows that a run has to fill."""
    touched = {k for item in run for k in range(int(item.start // length), int(-(-item.stop // length)))}
    return min(len(touched), int(-(-seconds // length)))
