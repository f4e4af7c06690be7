"""Against what channels were recorded, as their labels tell (spec preprocessing.md, 8.1), and which rows mix that. Knows no samples."""

from __future__ import annotations

from collections.abc import Iterable

from eegora.plan import ChannelPlan

RECORDED = "recorded against "
_SAME = dict.fromkeys(("AR", "AV", "CAR"), "AVG") | {"REFERENCE": "REF"}


def references(plan: ChannelPlan) -> dict[str, str]:
    """Return what a recording's labels tell: label → reference, one spelling for each, without those that tell none.

    Parameters
    ----------
    plan : ChannelPlan
        As reading made it.
    """
    told = {
        label: use.reason.removeprefix(RECORDED)
        for use in plan.uses
        if use.row is not None and use.reason.startswith(RECORDED)
        for label in use.sources
    }
    return {label: _SAME.get(reference, reference) for label, reference in told.items()}


def mixed(read: ChannelPlan, made: ChannelPlan) -> str:
    """Say which rows of a recipe mix channels that were recorded against different references; empty if none does.

    Parameters
    ----------
    read, made : ChannelPlan
        Before and behind the recipe.
    """
    against = references(read)

    def several(labels: Iterable[str]) -> set[str]:
        found = {against[label] for label in labels if label in against}
        return found if len(found) > 1 else set()

    odd = {use.row: found for use in made.uses if use.action == "derived" and (found := several(use.sources))}
    if odd:
        rows = [row for row in odd if row is not None]
        named = ", ".join(rows[:6]) + (f" and {len(rows) - 6} more" if len(rows) > 6 else "")
        return f"{named}: differences of channels {_told(set.union(*odd.values()))}, which they do not cancel"
    if found := several(label for use in made.uses if use.action == "re-referenced" for label in use.sources):
        return f"the average is over channels {_told(found)}, which it does not cancel"
    if found := several(label for use in made.uses if use.row is not None for label in use.sources):
        return "" if any(u.action == "derived" for u in made.uses) else f"rows {_told(found)}, taken as they are"
    return ""


def _told(found: set[str]) -> str:
    return f"recorded against different references ({', '.join(sorted(found))})"
