"""``eegora inspect``: what is in a checkpoint file, whoever wrote it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from eegora.checkpoints.statistics import TensorStatistics
    from eegora.converting import Candidate


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inspect", help="Show what is in a checkpoint file: model, layout, parts, tensors, what is odd.")(
        inspect
    )


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A checkpoint: .safetensors, .pt, .ckpt, .bin.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show what is in a checkpoint file; leave with 3 if no model can be loaded from it."""
    from eegora.checkpoints.read import read_config, read_metadata, read_tensors, sha256_of
    from eegora.checkpoints.record import fields_of
    from eegora.checkpoints.statistics import tensor_statistics
    from eegora.converting import recognise
    from eegora.errors import CheckpointError
    from eegora.results.windows import refuse_windows

    refuse_windows(file, "a checkpoint")
    tensors, metadata = read_tensors(file), read_metadata(file)
    config_json = file.with_name("config.json")
    beside = read_config(config_json) if config_json.is_file() else None
    candidates = recognise(tensors, str(file), fields_of(metadata), beside)
    statistics = [tensor_statistics(name, tensor) for name, tensor in tensors.items()]
    record = {
        "file": str(file),
        "bytes": file.stat().st_size,
        "sha256": sha256_of(file),
        "metadata": metadata,
        "config_json": str(config_json) if beside is not None else None,
        "n_tensors": len(statistics),
        "n_numbers": sum(s.n_numbers for s in statistics),
        "dtypes": sorted({s.dtype for s in statistics}),
        "models": [_model(candidate) for candidate in candidates],
        "parts": _parts(statistics),
        "suspicious": {s.name: list(s.suspicious) for s in statistics if s.suspicious},
    }
    if as_json:
        typer.echo(json.dumps(record | {"tensors": [s.to_dict() for s in statistics]}, indent=2, default=str))
    else:
        _show(record, statistics)
    if not any(candidate.fits for candidate in candidates):
        raise typer.Exit(CheckpointError.exit_code)


def _model(candidate: Candidate) -> dict[str, Any]:
    """What a file is to a model that may have made it."""
    coverage = candidate.reading.coverage
    reasons = [reason for why in candidate.reading.reasons.values() for reason in why.split(", ")]
    renamed = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons) if reason not in ("", "the same")}
    return {
        "model": candidate.spec.name,
        "variant": candidate.variant,
        "fits": candidate.fits,
        "layout": "; ".join(f"{reason} ({n})" for reason, n in renamed.items()) or "as published",
        "config": candidate.reading.config,
        "used": len(coverage.used),
        "dropped": dict(coverage.dropped),
        "missing": list(coverage.missing),
        "unknown": list(coverage.unexpected),
        "problems": list(coverage.problems),
        "notes": list(candidate.reading.notes),
    }


def _parts(statistics: Iterable[TensorStatistics]) -> dict[str, int]:
    """Count numbers per part: the first component of the names that is not the same for all."""
    names = {s.name: s.name.split(".") for s in statistics}
    n_shared = 0
    while all(len(p) > n_shared + 1 for p in names.values()) and len({p[n_shared] for p in names.values()}) == 1:
        n_shared += 1
    counts: dict[str, int] = {}
    for s in statistics:
        part = ".".join(names[s.name][: n_shared + 1])
        counts[part] = counts.get(part, 0) + s.n_numbers
    return counts


def _show(record: dict[str, Any], statistics: list[TensorStatistics]) -> None:
    from eegora.report.tables import parts_table, show, tensor_table

    kinds = ", ".join(record["dtypes"])
    typer.echo(
        f"{record['file']}: {record['n_tensors']} tensors, {record['n_numbers']:,} numbers, {kinds},"
        f" {record['bytes']:,} bytes"
    )
    typer.echo(f"sha256 {record['sha256']}")
    for model in record["models"]:
        typer.echo(f"model: {model['model']}, variant {model['variant']}; layout: {model['layout']}")
        typer.echo(f"  config: {json.dumps(model['config'], default=str)}")
        fits = "fits" if model["fits"] else f"does NOT fit: {', '.join(model['problems'])}"
        typer.echo(f"  {fits}; {model['used']} used, {len(model['dropped'])} dropped")
        for why in dict.fromkeys(model["dropped"].values()):
            typer.echo(f"  dropped {list(model['dropped'].values()).count(why)}: {why}")
        for note in model["notes"]:
            typer.echo(f"  {note}")
    if not record["models"]:
        typer.echo("model: none of ours; `eegora models` lists them")
    show(parts_table(record["parts"]))
    show(tensor_table(statistics), wide=True)
    n_odd = len(record["suspicious"])
    typer.echo(f"{n_odd} suspicious tensors" if n_odd else "no suspicious tensor")
