"""The average reference: what is subtracted, and when too few channels make one. Choosing channels is `channel_steps`' affair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from eegora.errors import ASK, ChannelError, UsageError
from eegora.plan import ChannelUse
from eegora.recipes.channel_steps import FILLED_WITH_ZEROS
from eegora.recipes.pieces import Work
from eegora.recipes.undo import State, noted, rescaled, spare, use_of, with_fields
from eegora.recordings.checks import louder, stds
from eegora.signal import Signal
from eegora.stream import Stream, seconds_of
from eegora.windows import Windows


def average_reference(state: State, *, over: str = "good") -> State:
    """Subtract the mean over channels at each sample.

    Parameters
    ----------
    state : Signal or Windows
    over : str
        ``good``: channels in the bad list are neither averaged nor changed (before the cut only, windows know no bad
        list). ``all``: every channel. Rows filled for missing electrodes are never averaged; rows of zeros stay zeros.
    """
    loud = _loud(state, over) if isinstance(state, Signal) else ()  # asked first: the step may write over the samples
    return noted(_averaged(state, over), *loud)


def average_reference_stream(stream: Stream, work: Work, *, over: str = "good") -> Stream:
    """Subtract the mean in pieces; how loud channels are, a few seconds tell."""
    done = stream.map(partial(_averaged, over=over))
    return done.told(
        *work.learned(lambda: _loud(replace(stream.head, data=seconds_of(stream)), over), tuple[str, ...]())
    )


def _averaged(state: State, over: str) -> State:
    if over not in ("good", "all") or (over == "good" and isinstance(state, Windows)):
        raise UsageError(
            "bad_recipe",
            f"average_reference over = '{over}' came, wanted 'all', or before the cut 'good'",
            hint="set over = 'all'",
        )
    bads = state.bads if over == "good" and isinstance(state, Signal) else ()
    uses = [use_of(state, name) for name in state.ch_names]
    counted = [i for i, use in enumerate(uses) if use.action != "filled" and state.ch_names[i] not in bads]
    touched = [
        use.reason != FILLED_WITH_ZEROS and name not in bads for name, use in zip(state.ch_names, uses, strict=True)
    ]
    _check_averaged(state, [state.ch_names[i] for i in counted], bads)
    some = state.data if len(counted) == len(uses) else state.data[..., counted, :]
    mean = some.mean(axis=-2, keepdims=True)
    if not all(touched):
        mean = np.where(np.array(touched)[:, None], mean, 0.0)
    reason = f"minus the average of {len(counted)} channels"
    plan = state.plan.replacing(
        ChannelUse("re-referenced", use.row, use.sources, reason) if use.action in ("kept", "renamed") and done else use
        for use, done in zip(uses, touched, strict=True)
    )
    data = np.subtract(state.data, mean, out=spare(state.data))
    changed = with_fields(rescaled(state, data, 1.0, mean), plan=plan)
    if len(counted) > 2:
        return changed
    pair = " and ".join(state.ch_names[i] for i in counted)
    return noted(
        changed, f"the average reference is that of {pair} alone: each is minus the other, half their difference"
    )


def _loud(signal: Signal, over: str) -> tuple[str, ...]:
    """Name the channels that are far louder than the others and go into every row by way of their average."""
    bads = signal.bads if over == "good" else ()
    rows = [i for i, n in enumerate(signal.ch_names) if n not in bads and use_of(signal, n).action != "filled"]
    spread = stds(signal.data if len(rows) == len(signal.data) else signal.data[rows], signal.sfreq)
    loud = louder([signal.ch_names[i] for i in rows], spread)
    if not loud:
        return ()
    told = ", ".join(f"{name} ({times:.0f} times the median channel)" for name, times in loud.items())
    way = "--bads leaves such a channel out of it" if over == "good" else "--exclude leaves such a channel out"
    return (f"far louder than the others, and part of the average that every row is against: {told}; {way}",)


def _check_averaged(state: State, names: Sequence[str], bads: Sequence[str]) -> None:
    """Refuse an average over channels that are too few to leave anything of them."""
    unmark = f"mark fewer channels bad: {', '.join(bads)} {'are' if len(bads) > 1 else 'is'}, and not averaged"
    if not names:
        told = f"{state.name}: all channels are bad, none is left to average"
        raise ChannelError("no_channels", told, hint=unmark if bads else "give a recording with more electrodes")
    if len(names) == 1:
        raise ChannelError(
            "too_few_channels",
            f"{state.name}: an average reference over {names[0]} alone makes zeros of it, wanted 3 channels or more",
            hint=unmark if bads else f"give a recording with more electrodes; {ASK}",
        )
