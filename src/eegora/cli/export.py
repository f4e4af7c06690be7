"""``eegora export``: a recording in another format, and what of it that format cannot hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eegora.cli.options import result_path

if TYPE_CHECKING:
    import mne

ENDINGS = (".csv", ".tsv", ".fif", ".edf")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "export", help="Write a recording as .csv or .tsv, .fif or .edf; CSV and FIF lose nothing of what is read."
    )(export)


def export(
    recording: Annotated[Path, typer.Argument(metavar="RECORDING", help="A file that MNE reads, or CSV.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write; its suffix is its format.")],
    units: Annotated[str | None, typer.Option(help="Unit of the samples where the file does not say.")] = None,
    sfreq: Annotated[float | None, typer.Option(help="Sampling rate in Hz where the file does not say.")] = None,
    montage: Annotated[str | None, typer.Option(help="Take electrode positions from this MNE montage.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a recording in another format."""
    from eegora.errors import UsageError
    from eegora.recordings.opening import Opened
    from eegora.recordings.read import read_recording

    path = result_path(out, recording.with_suffix(".csv").name, overwrite, recording)
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(
            "unknown_suffix", f"{path}: a recording cannot be written as that", hint=f"use {', '.join(ENDINGS)}"
        )
    raw = read_recording(recording, units=units, sfreq=sfreq, montage=montage)
    _write(raw, path)
    opened = raw.info["temp"]
    notes = list(opened.notes) if isinstance(opened, Opened) else []
    notes += [f"{use.sources[0]} was not read: {use.reason}" for use in getattr(opened, "dropped", ())]
    if path.suffix.lower() == ".edf":
        notes.append("EDF holds 16 bits per sample and no positions; .fif and .csv lose nothing of what was read")
        if raw.info["bads"]:
            notes.append(f"EDF does not say which channels are bad: {', '.join(raw.info['bads'])}")
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    seconds = raw.n_times / raw.info["sfreq"]
    typer.echo(f"{path}: {len(raw.ch_names)} channels, {seconds:g} s at {raw.info['sfreq']:g} Hz")


def _write(raw: mne.io.BaseRaw, path: Path) -> None:
    from eegora.recordings.tables_write import write_table
    from eegora.recordings.write import save_raw
    from eegora.results.storage import refusals, write_whole

    suffix = path.suffix.lower()
    if suffix == ".fif":
        with refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            save_raw(raw, path, fmt=_exact_format(raw))
    elif suffix == ".edf":
        write_whole(path, lambda part: _write_edf(raw, part))
    else:
        write_whole(path, lambda part: write_table(raw, part))


def _exact_format(raw: mne.io.BaseRaw) -> Literal["single", "double"]:
    """Return the smaller number format of FIF files that changes no sample."""
    import numpy as np

    length = max(1, 4_000_000 // len(raw.ch_names))
    for start in range(0, raw.n_times, length):
        block = raw.get_data(start=start, stop=min(start + length, raw.n_times), verbose="ERROR")
        if not np.array_equal(block, block.astype(np.float32).astype(np.float64)):
            return "double"
    return "single"


def _write_edf(raw: mne.io.BaseRaw, part: Path) -> None:
    from eegora.errors import UsageError
    from eegora.recordings.opening import quietly

    try:
        import edfio  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "needs_package", "writing EDF needs edfio", hint="pip install edfio, or -o with .fif"
        ) from error
    import mne

    with quietly(part.name):
        mne.export.export_raw(part, raw, fmt="edf", add_ch_type=False, overwrite=True, verbose="ERROR")
