"""A benchmark's figures as one file per machine, as lines of text, and two machines side by side. Measures nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eegora.errors import UsageError
from eegora.results.storage import write_whole
from eegora.whole import as_text

LAYOUT = "eegora-benchmark-1"


def read(path: Path) -> dict[str, Any]:
    """Read an evidence file.

    Raises
    ------
    UsageError
        ``not_found`` or ``bad_figures``.
    """
    if not path.is_file():
        raise UsageError("not_found", f"{path} is no file", hint="eegora bench -o FILE writes one")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("layout") != LAYOUT:
        raise UsageError(
            "bad_figures", f"{path} is no file of benchmark figures; it was not touched", hint="eegora bench -o FILE"
        )
    return found


def put(path: Path, facts: Mapping[str, Any], sections: Mapping[str, Mapping[str, Any]]) -> None:
    """Put sections into a machine's file; one of the same name takes the other's place, what is another machine's goes.

    Parameters
    ----------
    path : path
    facts : dict
        `machine.facts`.
    sections : dict of str to dict
        ``settings``, ``load`` (of the machine, when it began), ``quiet`` and ``rows``.

    Raises
    ------
    UsageError
        ``bad_figures`` if the file holds something else, ``cannot_write``.
    """
    kept = read(path) if path.exists() else {}
    same = all(kept.get("machine", {}).get(key) == facts.get(key) for key in ("cpu", "cores", "gpu", "torch"))
    whole = {
        "layout": LAYOUT,
        "machine": dict(facts),
        "sections": {**(kept.get("sections", {}) if same else {}), **sections},
    }
    write_whole(path, as_text(compact(whole)))


def line(section: str, row: Mapping[str, Any]) -> str:
    """Say a row in one line."""
    device = f", {row['device']}" if row.get("device") not in (None, "cpu") else ""
    busy = "" if row.get("quiet", True) else "; busy machine"
    return f"{words(row)}{device}{_threads(row.get('threads'))}: {'; '.join(_said(section, row))}{busy}"


def words(row: Mapping[str, Any]) -> str:
    """Name a row, without what machines differ in: the device and its threads."""
    shape = f"{row['channels']}×{row['samples']}" if "channels" in row else ""
    batch = f"batch {row['batch']}" if row.get("batch") is not None else ""
    dtype = row.get("dtype") if row.get("dtype") != "float32" else ""
    return ", ".join(word for word in (str(row["name"]), shape, batch, dtype) if word)


def _threads(n: int | None) -> str:
    return "" if n is None else f", {n} thread{'s' if n > 1 else ''}"


def _said(section: str, row: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a row has to say, whatever the section."""
    if "refused" in row:
        yield str(row["refused"])
        return
    if "ms" in row:
        yield f"{row['ms']['median']:.3g} ms ({row['ms']['min']:.3g} to {row['ms']['max']:.3g})"
    if "ours_ms" in row:
        peer = "" if row["peer_ms"] is None else f" against {row['peer_ms']:.4g} of {row['peer']}"
        yield f"{row['ours_ms']:.4g} ms{peer}"
    if row.get("ratio") is not None:
        verdict = (
            ""
            if row.get("bar") is None
            else f" (bar {row['bar']:g}×{'' if row['ratio'] >= row['bar'] else ', missed'})"
        )
        yield f"{row['ratio']:.2f}×{verdict}"
    if row.get("bar_ms") is not None:
        yield f"bar {row['bar_ms']:g} ms{'' if row['ours_ms'] <= row['bar_ms'] else ', missed'}"
    if "against_plain" in row:
        yield f"{row['against_plain']['ratio']:.2f}× unaccelerated"
    if section == "batch":
        yield f"{row['windows_per_second']:.4g} windows/s"
    if "stages" in row:
        yield ", ".join(f"{stage} {ms['median']:.3g}" for stage, ms in row["stages"].items()) + " ms"
    if "run_mib" in row:
        gpu = f", GPU {row['gpu_mib']} MiB" if "gpu_mib" in row else ""
        yield f"imports {row['after_imports_mib']}, load {row['load_mib']}, run {row['run_mib']} MiB at most{gpu}"
    if "rmse" in row:
        yield f"{row['max_abs']:.1e} from float64 at most, RMSE {row['rmse']:.1e}, {row['parameters_mib']} MiB"
    elif row.get("max_abs_diff") is not None:
        yield f"differs by {row['max_abs_diff']:.1e}"
    if row.get("error_against_float32") is not None:
        yield f"{row['error_against_float32']:.1e} from float32"
    if row.get("roofline") is not None:
        yield f"{row['roofline']:.0%} of the product rate"


def beside(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the rows that several machines' files share: what was measured, and each machine's milliseconds.

    Parameters
    ----------
    files : sequence of path

    Returns
    -------
    list of dict
        ``section``, ``row`` (in words) and ``ms``, one number or None per file.

    Raises
    ------
    UsageError
        ``not_found``, ``bad_figures``.
    """
    found: dict[tuple[str, str], dict[int | None, list[float | None]]] = {}
    for i, whole in enumerate(map(read, files)):
        for section, rows in whole["sections"].items():
            for row in rows["rows"]:
                ms = _milliseconds(row)
                if ms is not None:
                    by_threads = found.setdefault((section, words(row)), {})
                    by_threads.setdefault(row.get("threads"), [None] * len(files))[i] = ms
    return [
        {"section": section, "row": f"{name}{_threads(n)}", "ms": ms}
        for (section, name), by_threads in found.items()
        for n, ms in _beside_threads(by_threads)
    ]


def _beside_threads(
    by_threads: Mapping[int | None, list[float | None]],
) -> Iterator[tuple[int | None, list[float | None]]]:
    """Yield a row per number of threads, with a GPU, which has none, beside each."""
    free = by_threads.get(None) if len(by_threads) > 1 else None
    for n, row in by_threads.items():
        if free is None:
            yield n, row
        elif n is not None:
            yield n, [other if ms is None else ms for ms, other in zip(row, free, strict=True)]


def _milliseconds(row: Mapping[str, Any]) -> float | None:
    value = row["ms"]["median"] if "ms" in row else row.get("ours_ms", row.get("total_ms"))
    return None if value is None else float(value)


def compact(whole: Mapping[str, Any]) -> str:
    """Write readable JSON with innermost lists on one line."""
    text = json.dumps(whole, indent=1, ensure_ascii=False)
    return (
        re.sub(r"\[[^\[\]{}]*\]", lambda m: re.sub(r"\s+", " ", m[0]).replace("[ ", "[").replace(" ]", "]"), text)
        + "\n"
    )
