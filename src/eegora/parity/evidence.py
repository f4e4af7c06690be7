"""Keep what parity runs showed as JSON in the repository, and write the README's table from it. Runs nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eegora.errors import UsageError
from eegora.parity.report import CaseSummary, ParityReport, Row, rounded, worst
from eegora.provenance import versions
from eegora.whole import as_text

Evidence = dict[str, Any]

_IN_ROW = ("max_abs", "rmse", "relative_rmse", "r", "limit", "rmse_limit", "original_max_abs", "original_rmse", "ok")
_IN_CASE = ("task", "tensors", "float64", "float32", "float32_max", "float32_rmse", "ok")


def read_evidence(path: str | Path) -> Evidence:
    """Read an evidence file; one that does not exist is empty.

    Raises
    ------
    UsageError
        ``cannot_read`` if it is something else.
    """
    path = Path(path)
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and all(isinstance(entry["cases"], dict) for entry in found.values()):
            return found
    except (OSError, ValueError, TypeError, KeyError):
        pass
    raise UsageError("cannot_read", f"{path} is no parity evidence", hint="delete it and run parity again")


def write_evidence(report: ParityReport, path: str | Path) -> None:
    """Put a report's numbers in the place of what an evidence file knew about that vector file.

    Parameters
    ----------
    report : ParityReport
    path : path
        ``evidence/parity/MODEL.json``; written whole or not at all. It holds no folder, clock or host.

    Raises
    ------
    UsageError
        ``cannot_read`` if the file is there and holds something else.
    """
    from eegora.results.storage import write_whole

    evidence = read_evidence(path)
    evidence[report.file] = {
        "sha256": report.sha256,
        "versions": versions(),
        "cases": {line.case: _case(report, line) for line in report.summary()},
    }
    write_whole(path, as_text(json.dumps(evidence, sort_keys=True, indent=1, allow_nan=False) + "\n"))


def evidence_table(evidence: Mapping[str, Any]) -> str:
    """Return evidence as a Markdown table: one row per vector file, sorted.

    Parameters
    ----------
    evidence : mapping
        From `read_evidence`.

    Returns
    -------
    str
        Errors in float64 as part of their limit, in float32 as multiples of the original's own error.
    """
    lines = [
        "| vectors | cases | tensors | float64: worst error / limit | float32: worst max abs, RMSE / the original's own | verdict |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for file, entry in sorted(evidence.items()):
        cases = list(entry["cases"].values())
        failed = sum(not case["ok"] for case in cases)
        cells = [
            f"`{file}`",
            str(len(cases)),
            str(sum(case["tensors"] for case in cases)),
            _number(worst(case["float64"] for case in cases)),
            " ".join(_number(worst(case[key] for case in cases), "×") for key in ("float32_max", "float32_rmse")),
            f"{failed} of {len(cases)} cases fail" if failed or not cases else "all pass",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _case(report: ParityReport, line: CaseSummary) -> Evidence:
    stages: dict[str, dict[str, Any]] = {}
    for row in report.rows:
        if row.case == line.case:
            stages.setdefault(row.stage, {})[row.dtype] = _row(row)
    return {key: rounded(getattr(line, key)) for key in _IN_CASE} | {"stages": stages}


def _row(row: Row) -> Evidence:
    record = row.to_dict()
    return {key: record[key] for key in _IN_ROW if record[key] is not None}


def _number(value: float | None, unit: str = "") -> str:
    return "–" if value is None else f"{value:.2g}{unit}"
