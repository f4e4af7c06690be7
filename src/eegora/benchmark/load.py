"""Loading, measured in processes of their own: time against reading the file, time to a first embedding, memory, bytes read.

Knows what is compared with what and the bars; the clock is `measure`'s. As a module it is the process that is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eegora import assembly, registry
from eegora.benchmark.measure import in_turn, ratio, timed
from eegora.spec import Config

LARGE = 1_000_000_000  # bytes; above, loading is judged by memory and against reading; below, by the first embedding
BAR_RATIO, BAR_SECONDS, BAR_PEAK = 1.3, 1.2, 1.15
PARTS = ({"encoder_only": True},)  # fields of a configuration that leave a part of a network out


def rows(names: Sequence[str] = (), runs: int = 5) -> list[dict[str, Any]]:
    """Measure loading, on full-size synthetic checkpoints.

    Parameters
    ----------
    names : sequence of str
        Models and variants; default: the first variant of every model.
    runs : int
        How often each is measured, in turn.

    Returns
    -------
    list of dict
        One per model and part of it: ``name``, ``bytes`` of the file; ``read_ms`` (the whole file into memory), ``load_ms``
        (a network from the file), ``model_ms`` (`load_model`, which also takes the SHA-256), their ``ratio`` and
        ``model_ratio`` to reading, ``first_ms`` (`load_model` and one window embedded, after imports), ``peak``
        (the most memory that loading took, in float32 sizes of the network), ``after`` (the same once every number has been
        used), ``bytes_read`` from a disk whose cache was dropped; and the ``bars``.
    """
    found = []
    for name in names or [registry.full_name(spec, spec.variants[0]) for spec in registry.specs().values()]:
        with tempfile.TemporaryDirectory() as folder:
            path, config = synthetic_checkpoint(name, Path(folder))
            for fields in ({}, *(part for part in PARTS if part.keys() <= config.keys())):
                found.append(_row(name, path, fields, runs))
    return found


def synthetic_checkpoint(name: str, folder: Path) -> tuple[Path, Config]:
    """Write the full-size seeded checkpoint of a variant and flush it to the disk; return it and what its tensors tell."""
    from safetensors.numpy import save_file

    from eegora.checkpoints.synthetic import synthetic_state_dict

    model, spec, variant = registry.find(name)
    code = registry.code(model)
    layout = code.layout((variant or spec.variants[0]).config)
    layout = {key: entry for key, entry in layout.items() if entry[1] != assembly.CONSTANT}
    path = folder / "checkpoint.safetensors"
    save_file(synthetic_state_dict(layout, 0), path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    return path, code.detect({key: shape for key, (shape, _) in layout.items()})


def _row(name: str, path: Path, fields: Config, runs: int) -> dict[str, Any]:
    times = _child("times", name, path, fields, runs)
    firsts = sorted(_child("first", name, path, fields, 1)["first_ms"] for _ in range(runs))
    row = {"name": name, "fields": dict(fields), "bytes": path.stat().st_size, **times, "first_ms": firsts[runs // 2]}
    row |= {"first_ms_range": [firsts[0], firsts[-1]], **_child("memory", name, path, fields, 1)}
    large = row["bytes"] > LARGE
    bars = {"peak": BAR_PEAK, "ratio": BAR_RATIO} if large else {"first_ms": 1e3 * BAR_SECONDS}
    return row | {"bars": bars, "holds": all(row[key] < bar for key, bar in bars.items())}


def _child(what: str, name: str, path: Path, fields: Config, runs: int) -> dict[str, Any]:
    """Measure in a process of its own, whose memory and imports are nobody else's."""
    command = [sys.executable, "-m", __name__, what, name, str(path), json.dumps(dict(fields)), str(runs)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    out: dict[str, Any] = json.loads(done.stdout)
    return out


def _times(name: str, path: Path, fields: Config, runs: int) -> dict[str, Any]:
    """Read the file, and load from it, in turn; the file is in the system's cache for both."""
    from eegora.loading import load_model

    code = registry.code(registry.find(name)[0])

    def model() -> None:
        load_model(name, checkpoint=path, config=fields or None, device="cpu")

    ways: dict[str, Callable[[], Any]] = {
        "read": path.read_bytes,
        "load": lambda: assembly.load_network(code, path, config=fields),
        "model": model,
    }
    took = in_turn({key: lambda way=way: timed(way) for key, way in ways.items()}, warmup=1, runs=runs, judged="wall")  # type: ignore[misc]
    against = {key: ratio(took[way], took["read"]) for key, way in (("ratio", "load"), ("model_ratio", "model"))}
    return {
        **{f"{way}_ms": round(times.median, 1) for way, times in took.items()},
        **{key: found["ratio"] for key, found in against.items()},
        **{f"{key}_range": [found["low"], found["high"]] for key, found in against.items()},
    }


def _first(name: str, path: Path, fields: Config, runs: int) -> dict[str, Any]:
    """Load and embed one window, with everything imported that a command has imported by then."""
    from eegora.loading import load_model

    folder, spec, _ = registry.find(name)
    registry.code(folder)
    windows = assembly.probe_windows(spec)
    start = time.perf_counter()
    load_model(name, checkpoint=path, config=fields or None, device="cpu").embed(windows)
    return {"first_ms": round((time.perf_counter() - start) * 1e3, 1)}


def _memory(name: str, path: Path, fields: Config, runs: int) -> dict[str, Any]:
    """Load once, from a disk whose cache is empty where the system can be asked for that."""
    code = registry.code(registry.find(name)[0])
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    held, disk = _held(), _from_disk()
    network = assembly.load_network(code, path, config=fields).network
    peak, read = _peak() - held, _from_disk() - disk
    size = 4 * sum(parameter.numel() for parameter in network.state_dict().values())
    for tensor in network.state_dict().values():
        tensor.sum()
    return {
        "float32_bytes": size,
        "peak_bytes": peak,
        "peak": round(peak / size, 3),
        "after": round((_held() - held) / size, 3),
        "bytes_read": read or None,
    }


def _held() -> int:
    """Return the bytes of memory that this process holds now."""
    return _status("VmRSS") or _peak()


def _peak() -> int:
    """Return the most bytes that this process has held."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(field: str) -> int:
    """Read a field of Linux's own account; elsewhere 0."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(field)), 0)


def _from_disk() -> int:
    """Return the bytes that this process had the disk read; 0 where nobody counts."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("read_bytes")), 0)


MEASURES: Mapping[str, Callable[[str, Path, Config, int], dict[str, Any]]] = {
    "times": _times,
    "first": _first,
    "memory": _memory,
}

if __name__ == "__main__":
    what, name, path, fields, runs = sys.argv[1:]
    sys.stdout.write(json.dumps(MEASURES[what](name, Path(path), json.loads(fields), int(runs))) + "\n")
