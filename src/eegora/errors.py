"""Every error that a user can meet, one line each, with a stable code. Knows no file format and no model.

::

    EegoraError
    ├── UsageError            what was typed: a model, a recipe, an option, a combination
    ├── RecordingError        a recording: cannot be understood, or cannot be used
    │   └── ChannelError      its channels: names, positions, units, missing or extra ones
    ├── CheckpointError       a checkpoint: cannot be read, does not fit, is not trained for the task
    │   └── HubError          the hub: not reachable, or not allowed
    └── DeviceError           a device or number format that this machine does not have

``str(error)`` is one line: what came, what was wanted, and the next thing to type.
"""

from __future__ import annotations

# A file that cannot be understood is the user's misuse (exit 2); everything else that is
# readable but unusable leaves with 3 (spec preprocessing.md, section 10).
NOT_UNDERSTOOD = frozenset(
    [
        "not_found",
        "empty_file",
        "unknown_format",
        "bad_header",
        "cannot_read",
        "ragged",
        "text_cell",
        "needs_sfreq",
        "needs_units",
        "bad_checkpoint",
        "bad_recipe",
        "bad_manifest",
    ]
)

ASK = "eegora check RECORDING tells which recipes take this one"  # ends hints; check itself leaves it out


class EegoraError(Exception):
    """One line for the user.

    Parameters
    ----------
    code : str
        Stable, lower-case with underscores; tests and scripts may rely on it.
    message : str
        What came and what was wanted, with the path or name it is about.
    hint : str
        The next thing to type or do.

    Examples
    --------
    >>> error = EegoraError("not_found", "rec.edf does not exist", hint="check the path")
    >>> str(error), error.exit_code
    ('rec.edf does not exist. Next: check the path [not_found]', 2)
    """

    exit_code = 3

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        self.code = code
        self.message = " ".join(message.split())
        self.hint = " ".join(hint.split())
        if code in NOT_UNDERSTOOD:
            self.exit_code = 2
        super().__init__(str(self))

    def __str__(self) -> str:
        """Return the one line: message, next step, code."""
        next_step = f". Next: {self.hint}" if self.hint else ""
        return f"{self.message.rstrip('.')}{next_step} [{self.code}]"


class UsageError(EegoraError):
    """What was typed cannot be done: a wrong name, option or combination."""

    exit_code = 2


class RecordingError(EegoraError):
    """A recording that cannot be understood (exit 2) or cannot be used (exit 3)."""


class ChannelError(RecordingError):
    """Channels that are missing, unknown, without position, or of no use to the model."""


class CheckpointError(EegoraError):
    """A checkpoint that cannot be read, does not fit the network, or is not trained for the task."""


class HubError(CheckpointError):
    """The hub cannot be reached, or must not be asked."""


class DeviceError(EegoraError):
    """A device or number format that this machine does not have."""

    exit_code = 2
