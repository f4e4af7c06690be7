"""Published tensor names → ours: every tensor of a file is used, renamed or dropped with a reason, and every one wanted is there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rename:
    """One rule, tried in order on every key of a file.

    Parameters
    ----------
    pattern : str
        A regular expression that must match the whole key.
    replacement : str or None
        As in `re.sub`; None drops the tensor.
    reason : str
        Why, shown in the coverage table.
    """

    pattern: str
    replacement: str | None
    reason: str = ""
