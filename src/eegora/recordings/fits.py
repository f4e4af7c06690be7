"""Whether memory can hold a recording: said in one line before it is read, where the system would end the process later."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from eegora.errors import RecordingError
from eegora.stream import LIMIT

HELD = 2  # times its samples, that whatever is done with a recording in memory takes at least
CGROUPS = Path("/sys/fs/cgroup")
PROC = Path("/proc")
# By the controllers that /proc/self/cgroup names, version 2 and version 1: folder, limit, what is taken, and how much of it is files.
GROUPS = {"": ("", "max", "current", "file"), "memory": ("memory", "limit_in_bytes", "usage_in_bytes", "total_cache")}


def check_fits(name: str, n_bytes: int, times: float = HELD, *, there: float = 0.0) -> None:
    """Refuse to hold a recording that memory cannot.

    Parameters
    ----------
    name : str
    n_bytes : int
        Of its samples in float64. Below `eegora.stream.LIMIT` nobody asks.
    times : float
        How often it will be there at the most, in one form or another.
    there : float
        How often it is there already.

    Raises
    ------
    RecordingError
        ``too_large``.
    """
    free = free_memory() if n_bytes > LIMIT else None
    if free is not None and n_bytes * (times - there) > free:
        raise RecordingError(
            "too_large",
            f"{name}: {n_bytes / 1e9:.3g} GB of samples take about {n_bytes * times / 1e9:.3g} GB of memory here,"
            f" {free / 1e9:.3g} GB are free",
            hint="cut it into parts (in Python raw.crop), or a larger machine; embed, classify, attention and recipe run go in pieces",
        )


def free_memory() -> int | None:
    """Return the bytes that this process may still take, swap included; None where the system does not say.

    Linux tells what is available, and a container or a batch job its limit; elsewhere it is all of the machine's memory.
    """
    try:
        known = dict(line.split(":", 1) for line in (PROC / "meminfo").read_text().splitlines())
        machine = sum(int(known.get(key, "0").split()[0]) for key in ("MemAvailable", "SwapFree")) * 1024
        return min([machine, *_of_groups()])
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _of_groups() -> Iterator[int]:
    """Yield what is left to each control group around this process; files kept in memory give way."""
    try:
        lines = [line.split(":", 2) for line in (PROC / "self/cgroup").read_text().splitlines()]
    except OSError:
        return
    for _, controllers, place in [line for line in lines if line[1] in GROUPS]:
        root, most, now, files = GROUPS[controllers]
        own = CGROUPS / root / place.lstrip("/")
        for folder in (own, *own.parents):
            if folder in CGROUPS.parents:
                break
            try:
                limit, taken = ((folder / f"memory.{kind}").read_text().strip() for kind in (most, now))
                stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            except OSError:
                continue
            if limit != "max":
                yield max(0, int(limit) - int(taken) + int(stat.get(files, 0)))
