"""The cut at events: a window per annotation with a text that was asked for. The cut on a grid is `time_steps`' affair."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from eegora.errors import RecordingError, UsageError
from eegora.recipes.time_steps import crops_of, without_rejected
from eegora.recipes.undo import flagged, noted
from eegora.recordings.channels import nearest_names
from eegora.signal import Annotation, Signal
from eegora.windows import Windows


def cut_events(
    signal: Signal,
    *,
    events: str | Sequence[str],
    seconds: float | None = None,
    samples: int | None = None,
    tmin: float = 0.0,
    multiple: int = 1,
    reject_by_annotation: bool = False,
    gaps: str = "drop",
) -> Windows:
    """Cut a window at every event; its flag says which (``event:left``).

    Parameters
    ----------
    signal : Signal
    events : str or sequence of str
        Texts of the annotations to cut at; ``*`` stands for anything (``stimulus/*``).
    seconds, samples : float, int
        Length of a window; give one of them. MNE's epochs hold one sample more than ``round(seconds * sfreq)``.
    tmin : float
        Seconds from the event to the window's first sample; negative begins before it.
    multiple : int
        More than 1: windows are a multiple of so many samples long, counted at the rounded rate, as in `cut`.
    reject_by_annotation, gaps
        As in `cut`.

    Raises
    ------
    RecordingError
        ``no_events`` with the texts that there are; ``no_windows`` if annotations, gaps or the ends leave none.
    """
    if (seconds is None) == (samples is None) or gaps not in ("drop", "keep") or not events:
        raise UsageError(
            "bad_recipe", f"cut_events wants events, and seconds or samples; came {events}, {seconds} and {samples}"
        )
    rate = signal.sfreq if multiple == 1 else round(signal.sfreq)
    n_samples = samples if samples is not None else round(float(seconds or 0) * rate)
    if n_samples < 1 or multiple < 1:
        raise UsageError("bad_recipe", f"cut_events: windows of {n_samples} samples came, wanted 1 or more")
    n_samples = max(multiple, n_samples // multiple * multiple)
    chosen = sorted(events_of(signal.annotations, events), key=lambda event: event.onset)
    if not chosen:
        raise _no_events(signal, events)
    at = np.array([round(event.onset * signal.sfreq) for event in chosen], np.int64) + round(tmin * signal.sfreq)
    inside = (at >= 0) & (at + n_samples <= signal.n_times)
    if not inside.any():
        raise RecordingError(
            "no_windows",
            f"{signal.name}: none of its {len(chosen)} events leaves room for {n_samples / signal.sfreq:g} s from {tmin:g} s on",
            hint="give a longer recording, or a shorter window",
        )
    starts = at[inside]
    windows = crops_of(signal, starts, np.full(len(starts), n_samples), n_samples)
    windows = flagged(windows, {i: [f"event:{chosen[k].text}"] for i, k in enumerate(np.flatnonzero(inside))})
    if not inside.all():
        left = len(chosen) - len(starts)
        windows = noted(windows, f"{left} of {len(chosen)} events are too near to the ends of the recording")
    return without_rejected(windows, reject_by_annotation, gaps)


def events_of(annotations: Sequence[Annotation], events: str | Sequence[str]) -> list[Annotation]:
    """Return the annotations whose text is one of `events`, or like one with ``*``."""
    wanted = [events] if isinstance(events, str) else list(events)
    return [
        a for a in annotations if any(a.text == text or ("*" in text and fnmatchcase(a.text, text)) for text in wanted)
    ]


def _no_events(signal: Signal, events: str | Sequence[str]) -> RecordingError:
    first = events if isinstance(events, str) else events[0]
    texts = list(dict.fromkeys(a.text for a in signal.annotations))
    near = nearest_names(first, texts)
    told = ", ".join(texts[:8]) + (" …" if len(texts) > 8 else "") or "none at all"
    return RecordingError(
        "no_events",
        f"{signal.name} has no annotation {first!r}; it has {told}",
        hint=f"perhaps {' or '.join(near)}" if near else "annotate the events with MNE, and save the recording",
    )
