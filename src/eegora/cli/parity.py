"""``eegora parity``: a model against its reference vectors, tensor by tensor; or devices against each other on your recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from eegora.cli.options import check_writable, words


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "parity",
        help="Compare a model with reference vectors of the original, or devices with each other on your recording.",
    )(parity)


def parity(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The model whose vectors these are, or that is to run.")
    ],
    recording: Annotated[
        Path | None, typer.Argument(metavar="[RECORDING]", help="With --devices or --dtypes: what is embedded there.")
    ] = None,
    vectors: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A vector file, or a folder of them; repeatable.")
    ] = None,
    manifests: Annotated[
        list[str] | None, typer.Option(metavar="DIR,DIR", help="Folders with manifests; then beside the file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every tensor, or every device, as JSON.")] = False,
    export: Annotated[Path | None, typer.Option(metavar="FILE", help="Save what was computed (.safetensors).")] = None,
    evidence: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the summary into this evidence file.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only files that failed.")] = False,
    devices: Annotated[str, typer.Option(metavar="A,B", help="cpu, cuda, cuda:N, mps: to compare.")] = "cpu",
    dtypes: Annotated[str, typer.Option(metavar="A,B", help="Number formats to compare.")] = "float32",
    checkpoint: Annotated[Path | None, typer.Option(help="A checkpoint file of your own.")] = None,
    untrained: Annotated[bool, typer.Option("--untrained", help="Random parameters: devices compare all the same.")] = (
        False
    ),
    recipe: Annotated[str | None, typer.Option(help="A recipe of the model, or a .toml file.")] = None,
    missing: Annotated[str | None, typer.Option(help="Missing electrodes, as `eegora embed` takes it.")] = None,
) -> None:
    """Run vector files, or devices; exit 1 beyond a limit."""
    from eegora.errors import UsageError

    if (recording is None) == (not vectors):
        raise UsageError(
            "bad_options",
            "parity compares with reference vectors, or devices on a recording: one of the two",
            hint=f"eegora parity {model} --vectors FILE, or eegora parity {model} --devices cpu,cuda RECORDING",
        )
    if recording is None:
        _against_vectors(model, vectors or [], manifests, as_json, export, evidence, quiet)
        return
    from eegora.loading import load_model
    from eegora.model import Model
    from eegora.parity.devices import compare_devices
    from eegora.preparation import Preparation
    from eegora.report.tables import device_table, show

    def load(device: str, dtype: str) -> Model:
        seed = 0 if untrained else None
        return load_model(model, checkpoint=checkpoint, untrained=seed, device=device, dtype=dtype)

    how = Preparation(recipe=recipe, missing=missing)
    rows = compare_devices(load, recording, words([devices]), words([dtypes]), how)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    else:
        show(device_table(f"{model} on {recording.name}", rows), wide=True)
    if any(row["agrees"] is False for row in rows):
        raise typer.Exit(1)


def _against_vectors(
    model: str,
    vectors: list[Path],
    manifests: list[str] | None,
    as_json: bool,
    export: Path | None,
    evidence: Path | None,
    quiet: bool,
) -> None:
    """Run vector files."""
    from eegora import registry
    from eegora.errors import UsageError
    from eegora.parity import evidence as records
    from eegora.parity.run import run_vectors
    from eegora.report.tables import show

    folder, _, _ = registry.find(model)
    files = [file for path in vectors for file in _files(path, folder)]
    if export is not None and len(files) > 1:
        raise UsageError("bad_options", f"--export holds one vector file, {len(files)} came", hint="one --vectors")
    for target in (export, evidence):
        if target is not None:
            check_writable(target)
    reports = []
    for path in files:
        report = run_vectors(
            path,
            code=registry.code(folder),
            reference=registry.reference(folder),
            manifest_folders=[Path(word) for word in words(manifests)],
        )
        reports.append(report)
        if not as_json and not (quiet and report.ok):
            show(report.table())
        if export is not None:
            report.export(export)
        if evidence is not None:
            records.write_evidence(report, evidence)
    if as_json:
        found = [json.loads(report.to_json()) for report in reports]
        typer.echo(json.dumps(found[0] if len(found) == 1 else found, indent=2))
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


def _files(path: Path, folder: str) -> list[Path]:
    """Return a file as it is, and of a folder the files that are named after the model."""
    from eegora import registry
    from eegora.errors import UsageError

    if not path.is_dir():
        return [path]
    found = sorted(
        file for file in path.glob("*.safetensors") if registry.plain(file.name.split("-")[0]) == registry.plain(folder)
    )
    if not found:
        raise UsageError("not_found", f"{path} has no vector files of this model", hint="--vectors with another folder")
    return found
