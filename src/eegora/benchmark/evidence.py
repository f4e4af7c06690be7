"""A benchmark's figures as a file and as lines of text. Computes nothing."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from eegora.errors import UsageError


def add(path: Path, machine: dict[str, Any], report: dict[str, Any]) -> None:
    """Add a report to an evidence file; one of the same model, device, dtype and window takes its place.

    Raises
    ------
    UsageError
        ``bad_output`` if the file holds something else.
    """
    found: dict[str, Any] = {"runs": []}
    if path.exists():
        try:
            found = json.loads(path.read_text())
            assert isinstance(found["runs"], list)
        except (ValueError, KeyError, TypeError, AssertionError):
            raise UsageError(
                "bad_output", f"{path} is no file of benchmark figures; it was not touched", hint="-o with another name"
            ) from None
    runs = [run for run in found["runs"] if _which(run) != _which(report)]
    whole = {"runs": [*runs, report | {"machine": machine}]}
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(number, "w") as file:
        file.write(_compact(whole))
    Path(name).chmod(0o644)
    Path(name).replace(path)


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Say a report in one line per row."""
    head = f"{report['model']} {'×'.join(map(str, report['shape']))} {report['device']} {report['dtype']}"
    for row in report["rows"]:
        ours = row["ms"]["ours"]
        text = f"{head}, batch {row['batch']}, {row['threads']} threads: {ours['median']:.2f} ms"
        text += f" ({ours['min']:.2f} to {ours['max']:.2f}), {row['roofline']:.0%} of the product rate"
        for other in ("plain", "peer"):
            if other in row["ms"]:
                times = row[f"against_{other}"]
                text += f"; {times['ratio']:.2f}× {other} ({times['low']:.2f} to {times['high']:.2f})"
        if "error_against_float32" in row:
            text += f"; {row['error_against_float32']:.1e} from float32 on a scale of {row['scale']:.1f}"
        yield text + f"; differs by {row['max_abs_diff']:.1e}" + ("" if row["quiet"] else "; the machine was busy")


def _which(report: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(json.dumps(report.get(key)) for key in ("model", "shape", "device", "dtype"))


def _compact(whole: dict[str, Any]) -> str:
    """Write readable JSON with lists of numbers on one line."""
    import re

    text = json.dumps(whole, indent=1)
    return re.sub(r"\[\s+([-\d.e,\s]+?)\s+\]", lambda m: f"[{' '.join(m[1].split())}]", text) + "\n"
