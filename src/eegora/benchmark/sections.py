"""What a benchmark measures, by name: which function makes the rows, and which choices mean something to it. Data alone, cheap to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EVERY = frozenset(("quick", "as_json", "out", "seconds"))  # options of all sections
ROUNDS = "models threads device dtype checkpoint set warmup runs"


@dataclass(frozen=True)
class Section:
    """One section.

    Parameters
    ----------
    help : str
    rows : str
        ``module.function`` of this package: a `Plan` becomes rows.
    options : str
        Names of the options that mean something to it, beside `EVERY`.
    defaults : dict
        Its own defaults of options.
    quick : bool
        Whether it is a part of ``--quick`` where no section was named.
    on_cpu : bool
        Whether it is measured there alone.
    """

    help: str
    rows: str
    options: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    quick: bool = False
    on_cpu: bool = False

    def takes(self, option: str) -> bool:
        """Return whether an option means something to it."""
        return option in EVERY or option in self.options.split()


SECTIONS = {
    "peers": Section(
        "Every bar: other people's networks and MNE beside ours, in turn, on the same inputs; default: all models.",
        "against.peers",
        "models device peers warmup runs",
        {"seconds": 240.0},
    ),
    "latency": Section(
        "Times by variant, batch, threads, device and number format, beside the network unaccelerated.",
        "sweeps.latency",
        f"{ROUNDS} batch",
        {"batch": "1,8"},
        quick=True,
    ),
    "channels": Section("Times by number of channels.", "sweeps.channels", f"{ROUNDS} batch", quick=True),
    "time": Section("Times by length of the window.", "sweeps.lengths", f"{ROUNDS} batch", quick=True),
    "batch": Section("Windows a second by batch.", "sweeps.batches", f"{ROUNDS} batch", {"batch": "1,2,4,8,16,32,64"}),
    "distribution": Section(
        "Many runs of one window, every sample kept.", "sweeps.batches", f"{ROUNDS} batch", {"runs": 200}
    ),
    "stages": Section(
        "Where the time of a recording goes: read, prepare, pack, forward, save.", "stages.stages", ROUNDS, quick=True
    ),
    "memory": Section(
        "Peaks of memory, each in a process of its own.",
        "memory.memory",
        "models batch device dtype checkpoint set",
        {"batch": "1,8"},
    ),
    "dtypes": Section(
        "Speed, memory and error against float64 of each number format.",
        "dtypes.dtypes",
        ROUNDS,
        {"dtype": "float32,bfloat16,float64,float16", "seconds": 12.0},
        quick=True,
    ),
    "prepare": Section(
        "Preparing recordings, beside MNE.", "prepare.preparing", "threads warmup runs", quick=True, on_cpu=True
    ),
    "load": Section(
        "Loading checkpoints.", "load.load", "models threads runs", {"runs": 3, "seconds": 20.0}, on_cpu=True
    ),
}
