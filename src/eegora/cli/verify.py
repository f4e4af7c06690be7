"""``eegora verify``: proof of what was loaded: every tensor, the file's SHA-256, and the network's fingerprint."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eegora.spec import act

if TYPE_CHECKING:
    from eegora.model import Model


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify", help="Prove a checkpoint: every tensor, its SHA-256, the network's fingerprint.")(verify)


def verify(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model and variant; `eegora models` lists them.")],
    checkpoint: Annotated[Path | None, typer.Option(help="A checkpoint file of your own.")] = None,
    config: Annotated[Path | None, typer.Option(help="Its config.json, where the tensors do not tell all.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never ask the network.")] = False,
    repo: Annotated[str | None, typer.Option(help="Take the published checkpoint from this repository.")] = None,
    revision: Annotated[str | None, typer.Option(help="Take it at this commit or branch.")] = None,
    hf_cache: Annotated[Path | None, typer.Option("--hf-cache", metavar="DIR", help="The hub's cache.")] = None,
    bundle: Annotated[Path | None, typer.Option(metavar="DIR", help="A bundle folder.")] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Remember the fingerprint for this file; later runs compare.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Prove a checkpoint."""
    from eegora.checkpoints.read import SUFFIXES
    from eegora.cli.options import ModelOptions
    from eegora.errors import UsageError
    from eegora.loading import examine, load_model

    if Path(model).suffix in SUFFIXES:
        raise UsageError(
            "bad_options", f"{model} is a file; verify wants a model", hint=f"eegora verify MODEL --checkpoint {model}"
        )
    options = ModelOptions(checkpoint=checkpoint, repo=repo, revision=revision, hf_cache=hf_cache, bundle=bundle)
    ready = load_model(
        model, checkpoint=options.source, config=config, offline=offline, device="cpu", dtype="float64"
    )  # fmt: skip
    found = _findings(ready)
    found["findings"] = [asdict(answer) for answer in examine(model, options.source, config, offline=offline)]
    if record:
        from eegora.checkpoints.fingerprints import record_fingerprint

        found["recorded_in"] = str(record_fingerprint(found["sha256"], ready.config, found["fingerprint"]))
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=str))
    else:
        _show(found, ready)
    if found["fingerprint_state"] == "differs" and not record:
        raise typer.Exit(1)


def _findings(model: Model) -> dict[str, Any]:
    from eegora.checkpoints.fingerprints import known_fingerprint
    from eegora.loading import fingerprint

    sha256 = str(model.checkpoint["sha256"])
    variant = model.spec.variant(model.variant)
    published = variant.published.sha256 if variant and variant.published else None
    own, known = fingerprint(model), known_fingerprint(sha256, model.config)
    coverage = model.coverage
    return {
        "model": model.spec.name,
        "variant": model.variant,
        "source": model.checkpoint["source"],
        "name": model.checkpoint["name"],
        "licence": model.checkpoint.get("licence"),
        "sha256": sha256,
        "sha256_state": "not recorded" if published is None else "equal" if published == sha256 else "differs",
        "fingerprint": own,
        "fingerprint_state": "not recorded" if known is None else "equal" if known[0] == own else "differs",
        "fingerprint_recorded": known and {"fingerprint": known[0], "where": known[1]},
        "used": list(coverage.used),
        "renamed": dict(coverage.renamed),
        "dropped": dict(coverage.dropped),
        "config": model.config,
        "untrained": dict(model.doubts),
        "remarks": list(model.notes),
    }


def _show(found: dict[str, Any], model: Model) -> None:
    from eegora.report.tables import coverage_table, show

    show(coverage_table(model.coverage), wide=True)
    typer.echo(f"{found['name']} ({found['source']}): {found['model']}-{found['variant']}, {model.coverage}")
    states = {
        "equal": "equals the recorded one",
        "differs": "NOT the recorded one",
        "not recorded": "not recorded, nothing to compare it with",
    }
    typer.echo(f"sha256 {found['sha256']}: {states[found['sha256_state']]}")
    line = f"fingerprint {found['fingerprint']}: {states[found['fingerprint_state']]}"
    if found["fingerprint_state"] == "differs":
        recorded = found["fingerprint_recorded"]["fingerprint"]
        same_input = recorded[:4] == found["fingerprint"][:4]
        why = "the network computes something else" if same_input else "it was made with another version's input"
        line += f", {recorded}: {why}"
    typer.echo(line)
    if "recorded_in" in found:
        typer.echo(f"recorded in {found['recorded_in']}")
    for finding in found["findings"]:
        typer.echo(f"{finding['question']} {finding['answer']}")
    for remark in found["remarks"]:
        typer.echo(f"note: {remark}")
    for task, reason in model.doubts.items():
        typer.echo(f"refuses to {act(task)}: {reason}")
