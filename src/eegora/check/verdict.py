"""What a check found, as plain data: findings, and the verdict they add up to. Knows how none of them comes about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from eegora.errors import EegoraError
from eegora.plan import ChannelPlan

if TYPE_CHECKING:
    from eegora.check.forward import Forward

Severity = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    severity : str
        ``ok``; ``note``: good to know; ``warning``: look at it before you trust the result; ``error``: cannot run.
    code : str
        Stable: scripts may rely on it. That of an error is the `EegoraError`'s.
    sentence : str
        What was found, with its numbers.
    next : str
        What to type or do about it; empty if nothing need be done.
    """

    severity: Severity
    code: str
    sentence: str
    next: str = ""

    @classmethod
    def of_error(cls, error: EegoraError) -> Finding:
        """Return what an error says as a finding."""
        return cls("error", error.code, error.message, error.hint)


@dataclass(frozen=True)
class WindowCount:
    """What the recipe cuts.

    Parameters
    ----------
    n_windows : int
        That reach the model.
    n_dropped : int
        That overlap an annotation or a gap, or that the recipe rejects.
    n_annotated : int
        Among those that reach the model, how many overlap an annotation that begins with ``bad``.
    seconds : float
        Length of one.
    lost_s : float
        Seconds at the end that fill no window.
    """

    n_windows: int
    n_dropped: int
    n_annotated: int
    seconds: float
    lost_s: float


@dataclass(frozen=True)
class Verdict:
    """Whether a model can use a recording, and everything that was found on the way there.

    Parameters
    ----------
    recording, model, recipe, task : str
    findings : tuple of Finding
    plan : ChannelPlan
        What the recipe makes of every channel; of an unusable recording, what reading made of it.
    windows : WindowCount or None
        None if there are none.
    numbers : dict
        What the sentences quote, as numbers.
    next : str
        The command that goes on.
    prepare_s : float or None
        Seconds that preparing the whole recording takes, as measured on what was looked at. Not compared: each check
        measures anew.
    network : Forward or None
        What comes after that, if it was asked for and can be told; not compared either.

    Examples
    --------
    >>> verdict = Verdict("rec.edf", "m", "r", "embed", (Finding("warning", "flat", "Cz is flat"),))
    >>> verdict.answer, verdict.exit_code
    ('can run with remarks', 0)
    """

    recording: str
    model: str
    recipe: str
    task: str
    findings: tuple[Finding, ...]
    plan: ChannelPlan = field(default_factory=ChannelPlan)
    windows: WindowCount | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    next: str = ""
    prepare_s: float | None = field(default=None, compare=False)
    network: Forward | None = field(default=None, compare=False)

    def of(self, *severities: Severity) -> tuple[Finding, ...]:
        """Return the findings of some severities."""
        return tuple(f for f in self.findings if f.severity in severities)

    def finding(self, code: str) -> Finding | None:
        """Return the first finding of a code, or None."""
        return next((f for f in self.findings if f.code == code), None)

    @property
    def can_run(self) -> bool:
        """Whether nothing stands against it."""
        return not self.of("error")

    @property
    def answer(self) -> str:
        """``can run``, ``can run with remarks`` or ``cannot run``."""
        return ("can run with remarks" if self.of("warning") else "can run") if self.can_run else "cannot run"

    @property
    def exit_code(self) -> int:
        """What a command leaves with: 0, or 3 if it cannot run."""
        return 0 if self.can_run else 3

    def __str__(self) -> str:
        """Return the verdict in one line."""
        errors = self.of("error")
        because = f" because {errors[0].sentence.rstrip('.')}" if errors else ""
        remarks = ", ".join(dict.fromkeys(f.code for f in self.of("warning")))
        told = f": {remarks}" if remarks and not errors else ""
        return f"{self.recording} × {self.model} ({self.recipe}): {self.answer}{because}{told}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "recording": self.recording,
            "model": self.model,
            "recipe": self.recipe,
            "task": self.task,
            "answer": self.answer,
            "exit_code": self.exit_code,
            "next": self.next,
            "prepare_s": self.prepare_s,
            "network": asdict(self.network) | {"seconds": self.network.seconds} if self.network else None,
            "findings": [asdict(f) for f in self.findings],
            "windows": asdict(self.windows) if self.windows else None,
            "channels": self.plan.to_dicts(),
            "numbers": dict(self.numbers),
        }
