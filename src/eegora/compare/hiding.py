"""What is hidden, in which run: channels in folds, groups of neighbours, stretches of time. Knows names, places and a seed, no signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.signal import Array

LEAST = 4  # good channels; a sphere's splines from fewer than three visible ones mean nothing
REGION = 4  # electrodes in a group of neighbours


@dataclass(frozen=True)
class Wish:
    """What to hide. With no kind named, every good channel.

    Parameters
    ----------
    channels : int, tuple of str, "all" or None
        How many whole channels, or which; None: all of them, unless another kind is wished.
    regions : int
        Groups of four neighbouring electrodes, hidden together.
    spans : int
        Stretches of time, one channel each.
    gaps : int
        Stretches of time, all channels.
    span_seconds : float
        Length of a stretch.
    runs : int
        How often the model may run over the recording, at most: channels share runs until that holds.
    seconds : float
        How much of the recording is tried, at most.
    seed : int
        Chooses what is hidden.
    """

    channels: int | tuple[str, ...] | str | None = None
    regions: int = 0
    spans: int = 0
    gaps: int = 0
    span_seconds: float = 1.0
    runs: int = 8
    seconds: float = 60.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that nothing can be made of; take one name for a list of one."""
        if isinstance(self.channels, str) and self.channels != "all":
            object.__setattr__(self, "channels", (self.channels,))
        for name in ("regions", "spans", "gaps"):
            if getattr(self, name) < 0:
                raise UsageError("bad_option", f"{name} = {getattr(self, name)} came, wanted 0 or more")
        for name, least in (("span_seconds", 0.125), ("seconds", 2.0), ("runs", 1)):
            if not getattr(self, name) >= least:
                raise UsageError("bad_option", f"{name} = {getattr(self, name)} came, wanted {least:g} or more")


@dataclass(frozen=True)
class Hidden:
    """One thing that is hidden.

    Parameters
    ----------
    kind : str
        ``channel``, ``region``, ``span`` or ``gap``.
    label : str
        As tables name it.
    ch_names : tuple of str
    start, stop : float
        Seconds of the stretch that is tried.
    """

    kind: str
    label: str
    ch_names: tuple[str, ...]
    start: float
    stop: float

    @property
    def throughout(self) -> bool:
        """Whether channels are hidden from end to end."""
        return self.kind in ("channel", "region")


Run = tuple[Hidden, ...]


def runs_of(
    wish: Wish, ch_names: Sequence[str], ch_pos: Array, seconds: float, taken: Sequence[tuple[float, float]]
) -> tuple[Run, ...]:
    """Share out what is to be hidden among runs of the model.

    Parameters
    ----------
    wish : Wish
        With names as `ch_names` spells them.
    ch_names : sequence of str
        Good channels.
    ch_pos : ndarray, shape (n_channels, 3)
        Metres.
    seconds : float
        Length of the stretch that is tried.
    taken : sequence of (start, stop)
        Seconds in which nothing is hidden: they are bad already.

    Raises
    ------
    ChannelError
        ``too_few_channels``.
    UsageError
        ``too_many_hidden``.
    RecordingError
        ``too_short`` if there is no room for stretches.
    """
    if len(ch_names) < LEAST:
        raise ChannelError(
            "too_few_channels",
            f"{len(ch_names)} good channels ({' '.join(ch_names) or 'none'}), wanted {LEAST} or more that have a position, are not flat"
            " and not marked or mostly annotated bad: some of them are hidden",
            hint="give positions (--montage NAME), or leave out --score",
        )
    rng = np.random.default_rng(wish.seed)
    others: list[Run] = [(region,) for region in _regions(wish.regions, ch_names, ch_pos, seconds, rng)]
    slots = _slots(wish, seconds, taken, rng)
    if wish.spans:
        names = [ch_names[i] for i in rng.permutation(len(ch_names))]
        spans = enumerate(slots[: wish.spans])
        others.append(tuple(_stretch("span", (names[i % len(names)],), *slot) for i, slot in spans))
    if wish.gaps:
        others.append(tuple(_stretch("gap", tuple(ch_names), *slot) for slot in slots[wish.spans :]))
    channels = _channels(wish, ch_names, bool(others), rng)
    if len(others) + bool(channels) > wish.runs:
        raise UsageError(
            "too_many_hidden",
            f"{len(others) + bool(channels)} runs of the model are needed, {wish.runs} are allowed",
            hint="--runs with more, or hide less",
        )
    folds = _folds(channels, dict(zip(ch_names, ch_pos, strict=True)), wish.runs - len(others))
    most = max(map(len, folds), default=0)
    if len(ch_names) - most < LEAST - 1:
        raise UsageError(
            "too_many_hidden",
            f"{most} of {len(ch_names)} good channels would be hidden at once, too few would be left to see",
            hint=f"--runs {len(others) + -(-len(channels) // (len(ch_names) - LEAST + 1))} or more, or hide less",
        )
    whole: list[Run] = [tuple(Hidden("channel", name, (name,), 0.0, seconds) for name in fold) for fold in folds]
    return (*whole, *others)


def _channels(wish: Wish, ch_names: Sequence[str], others: bool, rng: np.random.Generator) -> list[str]:
    """Return whole channels to hide, in a seeded order."""
    order = [ch_names[i] for i in rng.permutation(len(ch_names))]
    if wish.channels is None and others:
        return []
    if wish.channels in (None, "all"):
        return order
    if isinstance(wish.channels, int):
        if not 0 < wish.channels <= len(order):
            raise UsageError(
                "too_many_hidden", f"{wish.channels} channels to hide, {len(order)} are good", hint=f"1 to {len(order)}"
            )
        return order[: wish.channels]
    return [name for name in order if name in (wish.channels or ())]


def _folds(channels: Sequence[str], places: dict[str, Array], n_runs: int) -> list[list[str]]:
    """Share channels among runs, equally and so that those of one run lie far apart."""
    n_folds = min(n_runs, len(channels))
    folds: list[list[str]] = [[] for _ in range(n_folds)]
    for name in channels:
        fewest = min(map(len, folds))
        open_folds = [fold for fold in folds if len(fold) == fewest]
        max(open_folds, key=lambda fold: _nearest(places[name], [places[n] for n in fold])).append(name)
    return folds


def _nearest(place: Array, others: Sequence[Array]) -> float:
    return min((float(np.linalg.norm(place - other)) for other in others), default=float("inf"))


def _regions(n: int, ch_names: Sequence[str], ch_pos: Array, seconds: float, rng: np.random.Generator) -> list[Hidden]:
    """Return groups of neighbours around electrodes that lie far from one another."""
    size = min(REGION, len(ch_names) - LEAST + 1)
    if not n:
        return []
    if size < 2 or n > len(ch_names):
        raise UsageError(
            "too_many_hidden", f"{n} regions to hide, {len(ch_names)} good channels", hint="--hide-regions with fewer"
        )
    centres = [int(rng.integers(len(ch_names)))]
    while len(centres) < n:
        apart = np.linalg.norm(ch_pos[:, None] - ch_pos[None, centres], axis=-1).min(axis=1)
        apart[centres] = -1.0
        centres.append(int(apart.argmax()))
    found = []
    for centre in centres:
        near = np.argsort(np.linalg.norm(ch_pos - ch_pos[centre], axis=1), kind="stable")[:size]
        names = tuple(ch_names[i] for i in near)
        found.append(Hidden("region", f"around {ch_names[centre]}", names, 0.0, seconds))
    return found


def _slots(
    wish: Wish, seconds: float, taken: Sequence[tuple[float, float]], rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Return as many stretches as are wished, apart by at least their own length, in order of the draw."""
    wanted = wish.spans + wish.gaps
    if not wanted:
        return []
    length = wish.span_seconds
    free = []
    for start in np.arange(length / 2, seconds - 1.5 * length + 1e-9, 2 * length):
        start = float(np.round(start, 3))
        if not any(a < start + length and start < b for a, b in taken):
            free.append((start, start + length))
    if len(free) < wanted:
        raise RecordingError(
            "too_short",
            f"there is room for {len(free)} stretches of {length:g} s in {seconds:g} s, {wanted} are to be hidden",
            hint="hide fewer or shorter ones",
        )
    return [free[i] for i in rng.permutation(len(free))[:wanted]]


def _stretch(kind: str, names: tuple[str, ...], start: float, stop: float) -> Hidden:
    time = f"{start:g}-{stop:g} s"
    return Hidden(kind, f"{names[0]} {time}" if kind == "span" else time, names, start, stop)
