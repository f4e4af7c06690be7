"""What a run of a vector file found: rows, failures, summaries; as JSON, as a table, as tensors. Computes nothing but ratios."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.parity.compare import Dtype, Judgement, Original
from eegora.parity.vectors import Tensor

if TYPE_CHECKING:
    from rich.table import Table

DTYPES: tuple[Dtype, ...] = ("float64", "float32")


@dataclass(frozen=True)
class Row:
    """One stage of one case in one number format.

    Parameters
    ----------
    case, stage : str
    tensor : str
        Name in the vector file; empty for a plain value.
    dtype : str
        What the network ran in.
    original : (float, float) or None
        Max abs and RMSE that the original itself makes in float32.
    judgement : Judgement
    """

    case: str
    stage: str
    tensor: str
    dtype: Dtype
    original: Original | None
    judgement: Judgement

    def to_dict(self) -> dict[str, Any]:
        """Return plain values: three significant digits, infinite as None."""
        record = asdict(self) | asdict(self.judgement)
        del record["judgement"], record["original"]
        record["original_max_abs"], record["original_rmse"] = self.original or (None, None)
        return {key: rounded(value, 6 if key == "r" else 3) for key, value in record.items()}


@dataclass(frozen=True)
class Failure:
    """A case, or a stage of it, that gave nothing to compare.

    Parameters
    ----------
    case : str
    dtype : str
        Empty if neither run could begin.
    why : str
        One line.
    """

    case: str
    dtype: str
    why: str


@dataclass(frozen=True)
class CaseSummary:
    """One case in a line.

    Parameters
    ----------
    file, case, task : str
    tensors : int
        Stages that the file expects.
    float64, float32 : float or None
        Worst error in units of its limit; None if nothing was judged in that run.
    float32_max, float32_rmse : float or None
        Worst float32 error in units of the original's own: max abs of all tensors, RMSE of those that have a limit
        for it.
    ok : bool
    """

    file: str
    case: str
    task: str
    tensors: int
    float64: float | None
    float32: float | None
    float32_max: float | None
    float32_rmse: float | None
    ok: bool


@dataclass(frozen=True)
class ParityReport:
    """Everything one vector file showed.

    Parameters
    ----------
    file : str
        The vector file's name, without its folder.
    sha256 : str
    tasks : dict of str to str
        Case → task.
    expected : dict of str to int
        Case → number of stages that the file expects.
    rows : tuple of Row
        Sorted by case and stage, float64 first.
    failures : tuple of Failure
    computed : dict of str to ndarray
        ``CASE/STAGE.dtype`` → the computed stage, whole.
    """

    file: str
    sha256: str
    tasks: Mapping[str, str]
    expected: Mapping[str, int]
    rows: tuple[Row, ...]
    failures: tuple[Failure, ...] = ()
    computed: Mapping[str, Tensor] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        """True if there are cases and nothing failed."""
        return bool(self.rows) and not self.failures and all(row.judgement.ok for row in self.rows)

    def summary(self) -> tuple[CaseSummary, ...]:
        """Return one line per case that ran or failed."""
        seen = {row.case for row in self.rows} | {failure.case for failure in self.failures}
        return tuple(self._summary(case) for case in sorted(seen))

    def _summary(self, case: str) -> CaseSummary:
        rows = [row for row in self.rows if row.case == case]
        judged = [row for row in rows if row.judgement.limit is not None or not row.judgement.ok]
        narrow = [row for row in rows if row.dtype == "float32" and row.original]
        return CaseSummary(
            file=self.file,
            case=case,
            task=self.tasks[case],
            tensors=self.expected[case],
            float64=worst(row.judgement.ratio for row in judged if row.dtype == "float64"),
            float32=worst(row.judgement.ratio for row in judged if row.dtype == "float32"),
            float32_max=worst(_times(row.judgement.max_abs, row.original, 0) for row in narrow),
            float32_rmse=worst(
                _times(row.judgement.rmse, row.original, 1) for row in narrow if row.judgement.rmse_limit
            ),
            ok=bool(rows) and all(row.judgement.ok for row in rows) and not any(f.case == case for f in self.failures),
        )

    def to_json(self) -> str:
        """Return JSON with sorted keys and three significant digits; two runs on one machine give the same text."""
        record = {
            "file": self.file,
            "ok": self.ok,
            "rows": [row.to_dict() for row in self.rows],
            "failures": [asdict(failure) for failure in self.failures],
            "summary": [{k: rounded(v) for k, v in asdict(line).items()} for line in self.summary()],
        }
        return json.dumps(record, sort_keys=True, indent=1, allow_nan=False)

    def table(self) -> Table:
        """Return a row per stage and run, for rich to print."""
        from rich.table import Table

        table = Table(title=f"{self.file}: {'passed' if self.ok else 'FAILED'}", box=None, padding=(0, 1, 0, 0))
        table.add_column("case / stage", overflow="fold")
        table.add_column("run", no_wrap=True)
        for head in ("max abs", "RMSE", "rel. RMSE", "Pearson r", "original\nmax abs", "original\nRMSE", "limit"):
            table.add_column(head, justify="right", min_width=8)
        table.add_column("", overflow="fold")
        case = ""
        for row in self.rows:
            if row.case != case:
                case = row.case
                table.add_row(f"[bold]{_plain(case)}[/bold]")
            table.add_row(*_cells(row))
        for failure in self.failures:
            table.add_row(
                f"[bold]{_plain(failure.case)}[/bold]", failure.dtype, *[""] * 7, f"[red]{_plain(failure.why)}[/red]"
            )
        return table

    def export(self, path: str | Path) -> None:
        """Write the computed stages, whole and in their run's number format, as ``CASE/STAGE.dtype`` in safetensors."""
        from safetensors.numpy import save_file

        from eegora.results.storage import write_whole

        tensors = {name: np.array(data, order="C") for name, data in self.computed.items()}
        write_whole(Path(path), lambda temporary: save_file(tensors, temporary, metadata={"vectors": self.file}))


def worst(ratios: Iterable[float | None]) -> float | None:
    """Return the largest ratio; None if there is none."""
    return max((ratio for ratio in ratios if ratio is not None), default=None)


def rounded(value: Any, digits: int = 3) -> Any:
    """Round a float to significant digits; one that is not finite becomes None, because JSON has none of them."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _times(error: float | None, original: Original | None, which: int) -> float | None:
    """Return an error in units of the original's; None where the original makes none."""
    return error / original[which] if error is not None and original and original[which] else None


def _cells(row: Row) -> list[str]:
    j = row.judgement
    original = row.original or (None, None)
    numbers = [f"{x:.2e}" if x is not None else "–" for x in (j.max_abs, j.rmse, j.relative_rmse)]
    numbers.append(f"{j.r:.6f}" if j.r is not None else "–")
    numbers += [f"{x:.2e}" if x is not None else "–" for x in (*original, j.limit)]
    verdict = "ok" if j.limit is not None else "not judged"
    return [
        f"  {_plain(row.stage)}",
        row.dtype.replace("float", "f"),
        *numbers,
        verdict if j.ok else f"[red]{_plain(j.why)}[/red]",
    ]


def _plain(text: str) -> str:
    """Escape what rich would take for markup."""
    from rich.markup import escape

    return escape(text)
