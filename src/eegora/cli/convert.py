"""``eegora convert``: any layout that a model reads → its published layout in safetensors, for local use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from eegora.cli.options import check_writable, settings
from eegora.errors import EegoraError, UsageError

DTYPES = ("float32", "bfloat16", "float16")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("convert", help="Convert a checkpoint to safetensors in its model's published layout.")(convert)


def convert(
    source: Annotated[Path | None, typer.Argument(metavar="[IN]", help="A checkpoint, .pt, .ckpt, .bin …")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="OUT", help="A .safetensors file.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Needed where the tensors fit several.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16; default: as stored.")] = None,
    fields: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A configuration field; repeatable.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the new file if it exists.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Convert a folder of files.")] = False,
    input_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="With --all: where they are.")] = None,
    output_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="With --all: where they go.")] = None,
) -> None:
    """Convert checkpoints."""
    pairs = _pairs(source, out, every, input_dir, output_dir)
    if dtype is not None and dtype not in DTYPES:
        raise UsageError("bad_options", f"--dtype {dtype} cannot be stored", hint=f"use {', '.join(DTYPES)}")
    chosen = settings(fields)
    if not every:
        _one(*pairs[0], model, chosen, dtype, overwrite)
        return
    failed = 0
    for one, target in pairs:
        try:
            _one(one, target, model, chosen, dtype, overwrite)
        except EegoraError as error:
            failed += 1
            typer.echo(f"{one}: not converted: {error}", err=True)
    typer.echo(f"{len(pairs) - failed} of {len(pairs)} files converted")
    if failed:
        raise typer.Exit(EegoraError.exit_code)


def _one(
    source: Path, target: Path, model: str | None, fields: dict[str, Any], dtype: str | None, overwrite: bool
) -> None:
    from eegora.converting import convert as convert_one
    from eegora.results.windows import refuse_windows

    refuse_windows(source, "a checkpoint")
    check_writable(target)
    made = convert_one(source, target, model=model, fields=fields, dtype=dtype, overwrite=overwrite)
    candidate, coverage = made.candidate, made.candidate.reading.coverage
    typer.echo(f"{made.path}: {candidate.name}, {made.n_tensors} tensors from {source} ({coverage})")
    typer.echo(f"  sha256 {made.sha256}")
    typer.echo(f"  note: for use on this machine; licence of the published checkpoint: {candidate.licence}", err=True)


def _pairs(
    source: Path | None, out: Path | None, every: bool, input_dir: Path | None, output_dir: Path | None
) -> list[tuple[Path, Path]]:
    """Return what is converted to what."""
    if every:
        if source is not None or out is not None or input_dir is None or output_dir is None:
            raise UsageError("bad_options", "--all takes a folder", hint="--all --input-dir DIR --output-dir DIR")
        return _in_folder(input_dir, output_dir)
    if source is None or out is None or input_dir is not None or output_dir is not None:
        raise UsageError(
            "bad_options", "one file is converted to one file", hint="eegora convert IN -o OUT.safetensors"
        )
    if out.suffix != ".safetensors":
        raise UsageError("unknown_suffix", f"{out}: only safetensors is written", hint=f"-o {out.stem}.safetensors")
    return [(source, out)]


def _in_folder(input_dir: Path, output_dir: Path) -> list[tuple[Path, Path]]:
    from eegora.checkpoints.read import SUFFIXES

    if not input_dir.is_dir():
        raise UsageError("not_found", f"{input_dir}: there is no such folder", hint="check --input-dir")
    files = sorted(p for p in input_dir.iterdir() if p.suffix in SUFFIXES and p.is_file())
    if not files:
        raise UsageError("not_found", f"{input_dir} holds no checkpoint", hint=f"wanted {', '.join(SUFFIXES)}")
    return [(file, output_dir / f"{file.stem}.safetensors") for file in files]
