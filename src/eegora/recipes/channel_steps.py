"""Steps that choose, rename, fill and combine channels. Labels and positions are `recordings`' knowledge; time is `time_steps`'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from eegora.errors import ChannelError, UsageError
from eegora.plan import ChannelPlan, ChannelUse
from eegora.recipes.fill import POLICIES, weights
from eegora.recipes.undo import State, lossy, merged, noted, same_scale, use_of
from eegora.recordings.channels import nearest_names, same_electrode
from eegora.recordings.positions import electrode, head_position
from eegora.signal import Array, Signal
from eegora.windows import Windows

FILLED_WITH_ZEROS = "zeros: not in the recording"


def pick(
    state: State,
    *,
    names: Sequence[str] | None = None,
    missing: str = "refuse",
    need_position: bool = False,
    bipolar: str = "refuse",
    unknown: str = "refuse",
    at_least: int = 1,
) -> State:
    """Keep the electrodes that the model wants, in its order and spelling (T3 = T7 and the like count as the same).

    Parameters
    ----------
    state : Signal or Windows
    names : sequence of str, optional
        Wanted electrodes; without it all electrodes of the recording.
    missing : str
        What to do about wanted electrodes that the recording lacks: ``refuse``, ``skip``, ``any`` (skip without a word:
        the names are all that a model knows, not what it needs), or fill their rows:
        ``zero``, ``nearest``, ``inverse-distance``, ``mean``, ``spline``.
    need_position : bool
        Take only electrodes whose position is known.
    bipolar : str
        ``refuse`` derivations (a midpoint is no electrode), or ``keep`` them as rows of their own; a recording of
        derivations only then passes as it is (a later `derive` chooses).
    unknown : str
        ``refuse`` electrodes whose position is needed and unknown, or ``drop`` them.
    at_least : int
        Fewer channels than this are refused.

    Raises
    ------
    ChannelError
        ``missing_channels``, ``no_channels``, ``no_positions``, ``too_few_channels``, ``bipolar``.
    """
    _check_policy(missing)
    for option, value, known in (("bipolar", bipolar, ("refuse", "keep")), ("unknown", unknown, ("refuse", "drop"))):
        if value not in known:
            raise UsageError("bad_option", f"{option} = '{value}' came, wanted {' or '.join(known)}")
    picked = _picked(state, names, missing, need_position, bipolar, unknown)
    if len(picked.ch_names) < at_least:
        raise ChannelError(
            "too_few_channels",
            f"{state.name}: {len(picked.ch_names)} channels{' with a position' * need_position}"
            f" ({_some(picked.ch_names)}), wanted {at_least} or more",
            hint="give a recording with more electrodes, or positions for those it has (--montage NAME)",
        )
    return picked


def _picked(
    state: State, names: Sequence[str] | None, missing: str, need_position: bool, bipolar: str, unknown: str
) -> State:
    derived = [i for i, name in enumerate(state.ch_names) if is_derivation(name)]
    single = [i for i in range(len(state.ch_names)) if i not in derived]
    if derived and not single:
        if bipolar != "keep":
            raise ChannelError(
                "bipolar",
                f"{state.name} holds derivations ({_some(state.ch_names)}), this recipe wants electrodes",
                hint="give a referential recording, or a recipe that starts from derivations",
            )
        single = derived
    elif names is not None and bipolar == "keep" and derived:
        # A later step makes its rows of whatever is there, and says what it lacks.
        wanted = [i for i in single if any(_same(state.ch_names[i], name) for name in names)] + derived
        return _rows(state, wanted, [state.ch_names[i] for i in wanted], "not in the recipe")
    elif names is not None:
        return _pick_named(state, single, tuple(names), missing, need_position)
    elif bipolar == "keep":
        single = sorted(single + derived)
    known = np.asarray(np.isfinite(state.ch_pos).all(axis=1))
    placed = [i for i in single if known[i] or not need_position]
    nowhere = [state.ch_names[i] for i in single if i not in placed]
    if placed and nowhere and unknown == "refuse":
        raise ChannelError(
            "no_position",
            f"{state.name}: no position is known for {', '.join(nowhere)}",
            hint="--unknown drop leaves such channels out, --exclude names them one by one",
        )
    if single and not placed:
        raise ChannelError(
            "no_positions",
            f"{state.name}: none of its {len(single)} channel{'s' * (len(single) != 1)} ({_some(state.ch_names)}) has a known position",
            hint="name the channels as in the 10-05 system, or store positions in the file",
        )
    if not placed:
        raise ChannelError("no_channels", f"{state.name} has no EEG electrode", hint="name channels as Fp1, Cz, O2")
    picked = _rows(state, placed, [state.ch_names[i] for i in placed], "a derivation, not an electrode")
    return replace(picked, plan=_blamed(picked.plan, state, nowhere, "no position is known"))


def derive(state: State, *, rows: Sequence[str], missing: str = "refuse", labels: Sequence[str] | None = None) -> State:
    """Make bipolar derivations ``A-B``, first minus second; one that the recording itself holds is taken as it is.

    Parameters
    ----------
    state : Signal or Windows
    rows : sequence of str
        Derivations in the model's order.
    missing : str
        ``skip`` leaves out rows that cannot be made; anything else refuses.
    labels : sequence of str, optional
        Names to give to the rows in place of their own, to follow a training script that mislabelled them.

    Raises
    ------
    ChannelError
        ``missing_channels``, ``no_channels``.
    """
    same_scale(state, "derive")
    state = merged(state)
    if labels is not None and len(labels) != len(rows):
        raise UsageError("bad_recipe", f"derive has {len(rows)} rows and {len(labels)} labels, wanted as many")
    sources = {row: _sources(state, row) for row in rows}
    made = [(row, label) for row, label in zip(rows, labels or rows, strict=True) if sources[row]]
    gone = [row for row in rows if not sources[row]]
    if gone and (missing not in ("skip", "any") or not made):
        lacking = [part for row in gone for part in row.split("-", 1) if _find(state, part) is None]
        raise _missing(state, f"derivations {', '.join(gone)} (no {', '.join(dict.fromkeys(lacking))})", ("skip",))
    pairs = [sources[row] for row, _ in made]
    uses = []
    for (row, label), pair in zip(made, pairs, strict=True):
        origins = dict.fromkeys(s for k in pair for s in use_of(state, state.ch_names[k]).sources)
        reason = f"holds {row}, labelled as the training script did" if label != row else ""
        filled = [use for k in pair if (use := use_of(state, state.ch_names[k])).action == "filled"]
        if filled:  # an electrode that was never recorded is in it: the row was not recorded either
            uses.append(ChannelUse("filled", label, tuple(origins), f"{filled[0].row}: {filled[0].reason}"))
            continue
        uses.append(ChannelUse("derived" if len(pair) == 2 else "kept", label, tuple(origins), reason))
    bads: set[str] = set(state.bads) if isinstance(state, Signal) else set()
    spoilt = [label for (_, label), pair in zip(made, pairs, strict=True) if bads & {state.ch_names[k] for k in pair}]
    shift: Array = state.shift
    if shift.any():
        shift = _differences(np.broadcast_to(shift, (*shift.shape[:-2], len(state.ch_names), shift.shape[-1])), pairs)
    changed = lossy(
        state,
        "derive",
        data=_differences(state.data, pairs),
        shift=shift,
        ch_names=tuple(label for _, label in made),
        ch_pos=np.array([_halfway(state, row, label, pair) for (row, label), pair in zip(made, pairs, strict=True)]),
        plan=state.plan.replacing(uses, "in no derivation"),
    )
    if isinstance(changed, Signal):
        changed = replace(changed, bads=tuple(spoilt))
    elif changed.missing is not None and changed.missing.shape[1] > 1:
        either = np.stack([changed.missing[:, pair].any(axis=1) for pair in pairs], axis=1)
        changed = replace(changed, missing=either)
    return noted(changed, f"{len(gone)} of {len(rows)} rows cannot be derived: {', '.join(gone)}") if gone else changed


def zero(state: State, *, names: Sequence[str] = ()) -> State:
    """Set channels to 0 by name, in any case and with or without blanks; names that are not there are told."""
    wanted = {"".join(name.split()).upper(): name for name in names}
    rows = [i for i, name in enumerate(state.ch_names) if "".join(name.split()).upper() in wanted]
    absent = set(wanted) - {"".join(state.ch_names[i].split()).upper() for i in rows}
    if absent:
        state = noted(
            state, f"not there to be set to zero: {', '.join(wanted[key] for key in wanted if key in absent)}"
        )
    if not rows:
        return state
    data = state.data.copy()
    data[..., rows, :] = 0.0
    return noted(lossy(state, "zero", data=data), f"set to zero: {', '.join(state.ch_names[i] for i in rows)}")


def is_derivation(name: str) -> bool:
    """Say whether a row is a bipolar derivation by its canonical name."""
    left, dash, right = name.partition("-")
    return bool(dash) and electrode(left) is not None and electrode(right) is not None


def _pick_named(state: State, rows: list[int], names: tuple[str, ...], missing: str, need_position: bool) -> State:
    found = {name: next((i for i in rows if _same(state.ch_names[i], name)), None) for name in names}
    if need_position:
        found = {n: i if i is not None and np.isfinite(state.ch_pos[i]).all() else None for n, i in found.items()}
    lacking = [name for name, i in found.items() if i is None]
    if len(lacking) == len(names):
        closest = nearest_names(names[0], state.ch_names)
        raise ChannelError(
            "no_channels",
            f"{state.name} has none of {_some(names)}; found {_some(state.ch_names)}, closest {', '.join(closest)}",
            hint="give a recording with these electrodes, or another model or recipe",
        )
    if lacking and missing == "refuse":
        raise _missing(state, f"electrodes {', '.join(lacking)}", tuple(p for p in POLICIES if p != "refuse"))
    kept = [name for name in names if found[name] is not None]
    dropped = f"not among the recipe's {len(names)} electrodes"
    picked = _rows(state, [i for i in found.values() if i is not None], kept, dropped)
    if not lacking or missing == "any":
        return picked
    if missing == "skip":
        picked = replace(picked, plan=picked.plan.lacking(lacking))
        return noted(picked, f"{len(lacking)} of {len(names)} electrodes are missing: {', '.join(lacking)}")
    return _filled(state, picked, rows, names, missing)


def _filled(state: State, picked: State, rows: list[int], names: tuple[str, ...], policy: str) -> State:
    """Add rows for missing electrodes, made from all good electrodes of the recording, and put `names` in order."""
    same_scale(state, "pick")
    state, picked = merged(state), merged(picked)
    bads = state.bads if isinstance(state, Signal) else ()
    good = [i for i in rows if state.ch_names[i] not in bads]
    lacking = [name for name in names if name not in picked.ch_names]
    positions = {name: head_position(name) for name in lacking}
    matrix = weights(policy, state.ch_pos[good], positions, state.name)
    order = [(picked.ch_names + tuple(lacking)).index(name) for name in names]
    reason = FILLED_WITH_ZEROS if policy == "zero" else f"{policy} of {len(good)} electrodes"
    filled = {name: ChannelUse("filled", name, (), reason) for name in lacking}
    unknown = np.full(3, np.nan)
    added = np.array([unknown if p is None else p for p in positions.values()])

    def extended(values: Array, source: Array) -> Array:
        return np.concatenate([values, matrix @ source[..., good, :]], axis=-2)[..., order, :]

    shift: Array = picked.shift
    if shift.any():
        wide = np.broadcast_to(state.shift, (*shift.shape[:-2], len(state.ch_names), shift.shape[-1]))
        shift = extended(np.broadcast_to(shift, (*shift.shape[:-2], len(picked.ch_names), shift.shape[-1])), wide)
    if isinstance(picked, Windows) and picked.missing is not None and picked.missing.shape[1] > 1:
        wide_mask = np.pad(picked.missing, ((0, 0), (0, len(lacking)), (0, 0)), constant_values=True)
        picked = replace(picked, missing=wide_mask[:, order])
    return noted(
        replace(
            picked,
            data=extended(picked.data, state.data),
            shift=shift,
            ch_names=names,
            ch_pos=np.concatenate([picked.ch_pos, added])[order],
            plan=picked.plan.replacing(filled.get(name) or use_of(picked, name) for name in names),
        ),
        f"{len(lacking)} of {len(names)} electrodes are missing, filled ({policy}): {', '.join(lacking)}",
    )


def _rows(state: State, rows: list[int], names: Sequence[str], dropped: str) -> State:
    """Keep these rows in this order under these names."""
    uses = []
    for i, name in zip(rows, names, strict=True):
        use = use_of(state, state.ch_names[i])
        same = name == state.ch_names[i]
        uses.append(use if same else replace(use, action="renamed", row=name, reason="the recipe's spelling"))

    every = rows == list(range(len(state.ch_names)))  # then nothing need be copied
    if every and tuple(names) == state.ch_names and tuple(uses) == state.plan.uses:
        return state

    def taken(values: Array) -> Array:
        return values if every or values.shape[-2] == 1 else values[..., rows, :]

    changed = replace(
        state,
        data=state.data if every else state.data[..., rows, :],
        ch_names=tuple(names),
        ch_pos=state.ch_pos[rows],
        scale=taken(state.scale),
        shift=taken(state.shift),
        level=taken(state.level),
        plan=state.plan.replacing(uses, dropped),
    )
    if isinstance(changed, Signal):
        bads = tuple(name for i, name in zip(rows, names, strict=True) if state.ch_names[i] in changed.bads)
        return replace(changed, bads=bads)
    if changed.missing is not None and changed.missing.shape[1] > 1:
        return replace(changed, missing=changed.missing[:, rows])
    return changed


def _sources(state: Signal | Windows, row: str) -> list[int]:
    """Return the row that is this derivation, or the two whose difference it is, or nothing."""
    direct = _find(state, row)
    if direct is not None:
        return [direct]
    ends = [_find(state, part) for part in row.split("-", 1)]
    return [i for i in ends if i is not None] if len(ends) == 2 and None not in ends else []


def _differences(values: Array, pairs: Sequence[list[int]]) -> Array:
    """Return one row per pair, first minus second; a single row is copied."""
    out = values[..., [pair[0] for pair in pairs], :]
    for i, pair in enumerate(pairs):
        if len(pair) == 2:
            out[..., i, :] -= values[..., pair[1], :]
    return out


def _halfway(state: Signal | Windows, row: str, label: str, pair: list[int]) -> Array:
    """Return the position of a derivation: between its electrodes, or the table's if a label replaces its name."""
    between = np.asarray(state.ch_pos[pair].sum(axis=0) / len(pair))
    if label == row and np.isfinite(between).all():
        return between
    known = head_position(label)
    return between if known is None else known


def _find(state: Signal | Windows, name: str) -> int | None:
    return next((i for i, other in enumerate(state.ch_names) if _same(other, name)), None)


def _same(a: str, b: str) -> bool:
    return same_electrode(a, b) or (electrode(a) is not None and electrode(a) == electrode(b))


def _check_policy(missing: str) -> None:
    if missing not in POLICIES:
        raise UsageError("bad_option", f"missing = '{missing}' came, wanted one of {', '.join(POLICIES)}")


def _missing(state: Signal | Windows, what: str, options: Sequence[str]) -> ChannelError:
    return ChannelError(
        "missing_channels",
        f"{state.name} lacks {what}; it has {_some(state.ch_names, 30)}",
        hint=f"name another recording, or say missing='{options[0]}'"
        + f" (or {', '.join(options[1:])})" * (len(options) > 1),
    )


def _blamed(plan: ChannelPlan, state: Signal | Windows, names: Sequence[str], reason: str) -> ChannelPlan:
    """Give dropped channels their own reason."""
    if not names:
        return plan
    labels = {label for name in names for label in use_of(state, name).sources}
    return ChannelPlan(
        tuple(replace(u, reason=reason) if u.row is None and labels.intersection(u.sources) else u for u in plan.uses)
    )


def table_positions(state: State) -> State:
    """Place every electrode and derivation where the frozen table has it, whatever the file says.

    For models that were trained on the positions of one template. Channels that the table lacks keep the file's.
    """
    places = np.array(state.ch_pos, dtype=np.float64)
    moved, own = [], []
    for i, name in enumerate(state.ch_names):
        place = head_position(name)
        if place is None:
            own += [name] * bool(np.isfinite(places[i]).all())
            continue
        if np.isfinite(places[i]).all() and np.linalg.norm(places[i] - place) > 1e-3:
            moved.append(name)
        places[i] = place
    if moved:
        state = noted(
            state, f"positions of {_some(moved, 6)} are the standard table's, not the file's: the model's training"
        )
    if own:
        state = noted(state, f"positions of {_some(own, 6)} are the file's: the standard table has no such channel")
    return replace(state, ch_pos=places)


def _some(names: Sequence[str], n: int = 12) -> str:
    return ", ".join(names[:n]) + (f" … ({len(names)})" if len(names) > n else "")
