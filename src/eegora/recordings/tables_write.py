"""A recording → a CSV or TSV file that reads back to the same numbers, digit by digit. What stands in its comment is `table_facts`'."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.recordings.opening import quietly
from eegora.recordings.table_facts import facts_of, to_comment

if TYPE_CHECKING:
    import mne

TIME = "time"
BLOCK_VALUES = 2_000_000  # numbers held at a time


def write_table(raw: mne.io.BaseRaw, path: Path) -> None:
    """Write every channel of a recording: a comment that holds all but the samples, names, then a row per sample.

    Numbers are the shortest that read back to the same float64. Existing files are replaced; writing whole or not at
    all is the caller's affair.

    Parameters
    ----------
    path : Path
        ``.tsv`` separates by tabs, everything else by commas.

    Raises
    ------
    RecordingError
        ``cannot_read``.
    """
    import pyarrow
    from pyarrow import csv as arrow

    mark = "\t" if path.suffix.lower() == ".tsv" else ","
    names = [TIME, *raw.ch_names]
    header = mark.join(f'"{name}"' if mark in name or " " in name else name for name in names)
    options = arrow.WriteOptions(include_header=False, delimiter=mark)
    length = max(1, BLOCK_VALUES // len(names))
    sfreq = float(raw.info["sfreq"])
    with path.open("wb") as file:
        file.write(f"{to_comment(facts_of(raw))}\n{header}\n".encode())
        for start in range(0, raw.n_times, length):
            stop = min(start + length, raw.n_times)
            with quietly(path.name):
                block = raw.get_data(start=start, stop=stop, verbose="ERROR")
            columns: dict[str, Any] = {f"c{i + 1}": row for i, row in enumerate(block)}
            arrow.write_csv(
                pyarrow.table({"c0": np.arange(start, stop) / sfreq, **columns}), file, write_options=options
            )
