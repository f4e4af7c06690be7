"""What happened to each channel on its way from the recording to the model. Filled by recipe steps, printed by commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from html import escape
from typing import Any, Literal

Action = Literal["kept", "renamed", "re-referenced", "derived", "filled", "dropped", "missing"]
ORDER: tuple[Action, ...] = ("kept", "renamed", "re-referenced", "derived", "filled", "dropped", "missing")


@dataclass(frozen=True)
class ChannelUse:
    """One row of the model's input, one channel of the recording that does not reach it, or one that the model goes without.

    Parameters
    ----------
    action : str
        ``kept``, ``renamed``, ``re-referenced``, ``derived``, ``filled``, ``dropped``, or ``missing``: the recipe names it,
        the recording lacks it, and the model does without.
    row : str or None
        Name of the row in the model's input; None if dropped or missing.
    sources : tuple of str
        Labels in the recording that it comes from, as the file spells them; of a missing one the recipe's name.
    reason : str
        Why, in a few words.
    """

    action: Action
    row: str | None
    sources: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True)
class ChannelPlan:
    """Every channel of a recording and what became of it; immutable, each step returns a new one."""

    uses: tuple[ChannelUse, ...] = ()

    @property
    def rows(self) -> tuple[str, ...]:
        """Names that reach the model, in plan order."""
        return tuple(use.row for use in self.uses if use.row is not None)

    def of(self, row: str) -> ChannelUse | None:
        """Return the entry of one row of the model's input, or None."""
        return self._by_row.get(row)

    @cached_property
    def _by_row(self) -> Mapping[str | None, ChannelUse]:
        return {use.row: use for use in reversed(self.uses)}

    def dropping(self, rows: Iterable[str], reason: str) -> ChannelPlan:
        """Return a plan in which these rows are dropped for a reason."""
        gone = set(rows)
        return ChannelPlan(
            tuple(replace(u, action="dropped", row=None, reason=reason) if u.row in gone else u for u in self.uses)
        )

    def replacing(self, uses: Iterable[ChannelUse], dropped: str = "not in the recipe") -> ChannelPlan:
        """Return a plan whose rows are `uses`; labels that no longer reach a row become dropped, once each."""
        new = tuple(uses)
        used = {label for use in new for label in use.sources}
        old = []
        for use in self.uses:
            if use.row is None:
                old.append(use)
            elif not used.intersection(use.sources):
                old.append(replace(use, action="dropped", row=None, reason=dropped))
        return ChannelPlan(new + tuple(old))

    def lacking(self, names: Iterable[str]) -> ChannelPlan:
        """Return a plan that lists also what the recipe names, the recording lacks and the model does without."""
        absent = (ChannelUse("missing", None, (name,), "not in the recording") for name in names)
        return ChannelPlan((*self.uses, *absent))

    def counts(self) -> dict[str, int]:
        """Return how many entries each action has, in a fixed order."""
        return {a: n for a in ORDER if (n := sum(use.action == a for use in self.uses))}

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return plain rows for JSON."""
        return [asdict(use) | {"sources": list(use.sources)} for use in self.uses]

    @classmethod
    def from_dicts(cls, rows: Iterable[Mapping[str, Any]]) -> ChannelPlan:
        """Read what `to_dicts` wrote."""
        return cls(tuple(ChannelUse(r["action"], r["row"], tuple(r["sources"]), r.get("reason", "")) for r in rows))

    def __str__(self) -> str:
        """Return one line: ``22 derived, 5 dropped``."""
        return ", ".join(f"{n} {action}" for action, n in self.counts().items()) or "no channels"

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{escape(u.row or '–')}</td><td>{u.action}</td>"
            f"<td>{escape(' '.join(u.sources))}</td><td>{escape(u.reason)}</td></tr>"
            for u in self.uses
        )
        return f"<table><tr><th>row</th><th>action</th><th>from</th><th>reason</th></tr>{cells}</table>"
