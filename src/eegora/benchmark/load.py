"""Loading, measured in processes of their own: time against reading the file, time to a first embedding, memory, bytes read.

Knows what is compared with what and the bars; the clock is `measure`'s, the processes `child`'s.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from eegora import assembly, registry
from eegora.benchmark import machine
from eegora.benchmark.child import account, held, in_child, peak
from eegora.benchmark.measure import BAR_ROW, Budget, Sample, in_turn, ratio, timed
from eegora.benchmark.memory import checkpoint
from eegora.benchmark.subject import What, firsts, known
from eegora.benchmark.sweeps import Plan
from eegora.spec import Config

LARGE = 1_000_000_000  # bytes; above, loading is judged by memory and against reading; below, by the first embedding
BAR_RATIO, BAR_SECONDS, BAR_PEAK = 1.3, 1.2, 1.15
PARTS = ({"encoder_only": True},)  # fields of a configuration that leave a part of a network out


def load(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield loading as rows of the bars: large files against reading them, small ones by the time to a first embedding."""
    share = plan.seconds / len(plan.names) / len(plan.threads)
    for name, threads in product(plan.names, plan.threads):
        with machine.threads(threads):  # a process that starts takes over how many
            found = rows([name], plan.runs, share)
        for row in found:
            part = " ".join(f"{key} {value}" for key, value in row["fields"].items())
            facts = {"threads": threads, "details": row, "quiet": machine.quiet(), "ours_ms": row["load_ms"]}
            large = "ratio" in row["bars"]
            if large:
                facts |= {"peer": "reading the file", "peer_ms": row["read_ms"], "bar": round(1 / BAR_RATIO, 2)}
                facts["ratio"] = round(row["read_ms"] / row["load_ms"], 3)
            else:
                facts |= {"ours_ms": row["first_ms"], "bar_ms": row["bars"]["first_ms"]}
            what = "load" if large else "load and first embedding"
            yield {**BAR_ROW, "name": " ".join(word for word in (name, what, part) if word), **facts}


def rows(names: Sequence[str] = (), runs: int = 5, seconds: float = 600.0) -> list[dict[str, Any]]:
    """Measure loading, on full-size synthetic checkpoints.

    Parameters
    ----------
    names : sequence of str
        Models and variants; default: the first variant of every model.
    runs : int
        How often each is measured, in turn.
    seconds : float
        After this time nothing is measured once more.

    Returns
    -------
    list of dict
        One per model and part of it: ``name``, ``bytes`` of the file; ``read_ms`` (the whole file into memory), ``load_ms``
        (a network from the file), ``model_ms`` (`load_model`, which also takes the SHA-256), their ``ratio`` and
        ``model_ratio`` to reading, ``first_ms`` (`load_model` and one window embedded, after imports), ``peak``
        (the most memory that loading took, in float32 sizes of the network), ``after`` (the same once every number has been
        used), ``bytes_read`` from a disk whose cache was dropped; and the ``bars``.
    """
    budget = Budget(seconds, 1)
    found = []
    for name in names or firsts():
        with checkpoint(name) as path:
            with path.open("rb+") as file:
                os.fsync(file.fileno())  # what is written later would be in the figures
            for fields in ({}, *(part for part in PARTS if part.keys() <= known(What(name)).keys())):
                found.append(_row(name, path, fields, runs, budget))
    return found


def _row(name: str, path: Path, fields: Config, runs: int, budget: Budget) -> dict[str, Any]:
    given = (name, str(path), dict(fields))
    took: list[float] = []
    while len(took) < runs and (budget.left or not took):
        took.append(in_child(__name__, "first", *given)["first_ms"])
    took.sort()
    row: dict[str, Any] = {"name": name, "fields": dict(fields), "bytes": path.stat().st_size}
    row |= in_child(__name__, "memory_and_times", *given, runs, budget.left)
    row |= {"first_ms": took[len(took) // 2], "first_ms_range": [took[0], took[-1]]}
    bars = {"peak": BAR_PEAK, "ratio": BAR_RATIO} if row["bytes"] > LARGE else {"first_ms": 1e3 * BAR_SECONDS}
    return row | {"bars": bars, "holds": all(row[key] < bar for key, bar in bars.items())}


def memory_and_times(name: str, path: str, fields: Config, runs: int, seconds: float) -> dict[str, Any]:
    """Measure a fresh process first, whose memory nothing has used yet."""
    return _memory(name, path, fields) | _times(name, path, fields, runs, seconds)


def _times(name: str, path: str, fields: Config, runs: int, seconds: float) -> dict[str, Any]:
    """Read the file, and load from it, in turn; the file is in the system's cache for both."""
    from eegora.loading import load_model

    code, file = registry.code(registry.find(name)[0]), Path(path)
    ways: dict[str, Callable[[], Any]] = {
        "read": file.read_bytes,
        "load": lambda: assembly.load_network(code, file, config=fields),
        "model": lambda: load_model(name, checkpoint=file, config=fields or None, device="cpu"),
    }
    rounds: dict[str, Callable[[], Sample]] = {key: partial(timed, way) for key, way in ways.items()}
    took = in_turn(rounds, warmup=1, runs=runs, judged="wall", seconds=seconds)
    against = {key: ratio(took[way], took["read"]) for key, way in (("ratio", "load"), ("model_ratio", "model"))}
    return {
        **{f"{way}_ms": round(times.median, 1) for way, times in took.items()},
        **{key: found["ratio"] for key, found in against.items()},
        **{f"{key}_range": [found["low"], found["high"]] for key, found in against.items()},
    }


def first(name: str, path: str, fields: Config) -> dict[str, Any]:
    """Load and embed one window, with everything imported that a command has imported by then."""
    from eegora.loading import load_model

    folder, spec, _ = registry.find(name)
    registry.code(folder)
    windows = assembly.probe_windows(spec)
    start = time.perf_counter()
    load_model(name, checkpoint=Path(path), config=fields or None, device="cpu").embed(windows)
    return {"first_ms": round((time.perf_counter() - start) * 1e3, 1)}


def _memory(name: str, path: str, fields: Config) -> dict[str, Any]:
    """Load once, from a disk whose cache is empty where the system can be asked for that."""
    code = registry.code(registry.find(name)[0])
    if hasattr(os, "posix_fadvise"):
        with Path(path).open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    before, disk = held(), account("io", "read_bytes")
    network = assembly.load_network(code, Path(path), config=fields).network
    most, read = peak() - before, account("io", "read_bytes") - disk
    size = 4 * sum(parameter.numel() for parameter in network.state_dict().values())
    for tensor in network.state_dict().values():
        tensor.sum()
    return {
        "float32_bytes": size,
        "peak_bytes": most,
        "peak": round(most / size, 3),
        "after": round((held() - before) / size, 3),
        "bytes_read": read or None,
    }
