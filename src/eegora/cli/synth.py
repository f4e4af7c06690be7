"""``eegora synth``: a seeded recording that looks like EEG."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eegora.cli.options import result_path, words


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("synth", help="Write a seeded synthetic recording: 1/f, occipital alpha, blinks, line noise.")(synth)


def synth(
    out: Annotated[Path, typer.Argument(metavar="OUT_raw.fif", help="The file to write.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="Length.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Seed; the same seed gives the same recording.")] = 0,
    channels: Annotated[
        list[str] | None, typer.Option(metavar="A,B", help="Electrodes; default: the 21 of a TUH recording.")
    ] = None,
    sfreq: Annotated[float, typer.Option(min=1, help="Sampling rate in Hz.")] = 256,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
) -> None:
    """Write a synthetic recording."""
    import numpy as np

    from eegora.recordings.synthetic import TUH_NAMES, synthetic_raw
    from eegora.recordings.write import save_raw
    from eegora.results.storage import refusals

    path = result_path(out, out.name, overwrite, Path())
    raw = synthetic_raw(seconds, seed, ch_names=words(channels) or TUH_NAMES, sfreq=sfreq)
    with refusals(path):
        save_raw(raw, path)
    unknown = [channel["ch_name"] for channel in raw.info["chs"] if not np.nan_to_num(channel["loc"][:3]).any()]
    told = f", {len(unknown)} of them without a known position: {', '.join(unknown)}" if unknown else ""
    typer.echo(f"{path}: {len(raw.ch_names)} channels{told}, {seconds:g} s at {sfreq:g} Hz, seed {seed} (synthetic)")
