"""The average reference: what is subtracted, and when too few channels make one. Choosing channels is `channel_steps`' affair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eegora.errors import ChannelError, UsageError
from eegora.plan import ChannelUse
from eegora.recipes.channel_steps import FILLED_WITH_ZEROS
from eegora.recipes.undo import State, noted, rescaled, spare, use_of, with_fields
from eegora.signal import Signal
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
    _check_averaged(state, [state.ch_names[i] for i in counted])
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


def _check_averaged(state: State, names: Sequence[str]) -> None:
    """Refuse an average over channels that are too few to leave anything of them."""
    if not names:
        raise ChannelError("no_channels", f"{state.name}: all channels are bad, none is left to average")
    if len(names) == 1:
        raise ChannelError(
            "too_few_channels",
            f"{state.name}: an average reference over {names[0]} alone makes zeros of it, wanted 3 channels or more",
            hint="give a recording with more electrodes; eegora check RECORDING tells which recipes take this one",
        )
