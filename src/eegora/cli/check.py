"""``eegora check``: before a run, whether a recording can go through a model, and what would be done to it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eegora.cli.options import Include, LineFreq, Pick, RejectAnnotated, Rename, pairs, words

if TYPE_CHECKING:
    from eegora.check.verdict import Verdict


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check", help="Say whether a recording can go through a model, what is lost, and what to type next.")(
        check
    )


def check(
    recordings: Annotated[list[Path], typer.Argument(metavar="RECORDING...", help="Files that MNE reads, or CSV.")],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="A,B", help="Models and variants; default: every model."),
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe of the model, or a .toml file.")] = None,
    task: Annotated[str, typer.Option(help="What the recording is wanted for: embed, reconstruct, …")] = "embed",
    missing: Annotated[
        str | None,
        typer.Option(help="Missing electrodes: refuse, skip, zero, nearest, inverse-distance, mean, spline."),
    ] = None,
    unknown: Annotated[str | None, typer.Option(help="Channels that the model has no row for: refuse or drop.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="A,B", help="Channels to leave out.")] = None,
    bads: Annotated[list[str] | None, typer.Option(metavar="A,B", help="Channels to mark bad.")] = None,
    line_freq: LineFreq = None,
    reject_annotated: RejectAnnotated = False,
    units: Annotated[str | None, typer.Option(help="Unit of the samples where the file does not say.")] = None,
    sfreq: Annotated[float | None, typer.Option(help="Sampling rate in Hz where the file does not say.")] = None,
    montage: Annotated[str | None, typer.Option(help="Take electrode positions from this MNE montage.")] = None,
    rename: Rename = None,
    include: Include = None,
    pick: Pick = None,
    strict: Annotated[bool, typer.Option("--strict", help="Leave with 1 if there are warnings.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON: a list, one entry per verdict.")] = False,
) -> None:
    """Check recordings; leave with 3 if one can go through none of the models, with 2 if one cannot be understood."""
    from eegora.check.look import look_at
    from eegora.errors import RecordingError

    reading: dict[str, Any] = {"units": units, "sfreq": sfreq, "montage": montage, "rename": pairs(rename)}
    reading |= {"include": words(include), "channels": words(pick)}
    codes, records = [0], []
    for path in recordings:
        try:
            look = look_at(path, **reading, bads=words(bads))
        except RecordingError as error:
            if error.exit_code != 2:  # about what was typed: a channel that is not there
                raise
            codes.append(error.exit_code)
            records.append({"recording": path.name, "answer": "cannot be understood", "error": str(error)})
            sys.stderr.write(f"eegora: {error}\n")
            continue
        options: dict[str, Any] = {"missing": missing, "unknown": unknown, "exclude": words(exclude)}
        options |= {"line_freq": line_freq, "reject_annotated": reject_annotated}
        verdicts = _verdicts(look, words(model), {"recipe": recipe, "task": task, **options})
        records += [verdict.to_dict() for verdict in verdicts]
        codes.append(min(verdict.exit_code for verdict in verdicts))
        if strict and not codes[-1] and any(verdict.of("warning") for verdict in verdicts):
            codes[-1] = 1
        if not as_json:
            _print(verdicts)
    if as_json:
        sys.stdout.write(json.dumps(records, indent=2, allow_nan=False) + "\n")
    # What cannot be understood comes first: the other codes are about its content.
    code = 2 if 2 in codes else max(codes)
    if code:
        raise typer.Exit(code)


def _verdicts(look: Any, names: Sequence[str], options: dict[str, Any]) -> list[Verdict]:
    """Hold one recording against some models, or against all that have the task."""
    from eegora import registry
    from eegora.check.fit import check_recording

    found = [registry.find(name)[1:] for name in names]
    found = found or [(spec, None) for spec in registry.specs().values() if options["task"] in spec.tasks]
    if not found:
        from eegora.errors import UsageError
        from eegora.spec import TASKS

        raise UsageError("unknown_task", f"no model can {options['task']!r}; tasks are {', '.join(TASKS)}")
    return [
        check_recording(look, spec, variant=variant.name if variant else None, network=True, **options)
        for spec, variant in found
    ]


def _print(verdicts: list[Verdict]) -> None:
    """Print what holds for the recording once, then each model's findings and what to type."""
    from eegora.report.tables import plan_table, show

    first, several = verdicts[0], len(verdicts) > 1
    shared = [f for f in first.findings if all(f in v.findings for v in verdicts)] if several else []
    lines = [first.recording, *map(_line, shared)] if several else []
    if several and all(not verdict.plan.uses for verdict in verdicts):  # nothing of it can be used by any model
        lines[0] += f": cannot run with any of {', '.join(verdict.model for verdict in verdicts)}"
        verdicts = []
    for verdict in verdicts:
        lines.append(str(verdict))
        lines += [_line(f) for f in verdict.findings if f not in shared and f is not _headline(verdict)]
        lines.append(f"  channels: {verdict.plan}")
        if verdict.prepare_s is not None:
            lines.append(f"  time: {_time(verdict, verdict.prepare_s)}")
        lines.append(f"  next: {verdict.next}" if verdict.next else "  next: another recording")
    sys.stdout.write("\n".join(lines) + "\n")
    if not several:
        sys.stdout.flush()
        show(plan_table(first.plan))


def _headline(verdict: Verdict) -> Any:
    """Return the error that the verdict's line and its last one say already."""
    errors = verdict.of("error")
    return errors[0] if errors and errors[0].next == verdict.next else None


def _time(verdict: Verdict, prepare_s: float) -> str:
    """Say how long it takes, and what that rests on."""
    from eegora.compute.rate import SHARE
    from eegora.preparation import roughly

    told = f"{roughly(prepare_s)} to prepare"
    if verdict.network is None:
        return f"{told}; the network comes on top"
    ahead = verdict.network
    if not ahead.n_windows:
        return f"{told}; nothing goes through the network"
    each = f"{ahead.gflop:.3g} GFLOP" if ahead.gflop < 1000 else f"{ahead.gflop / 1000:.3g} TFLOP"
    rests = f"{ahead.n_windows} × {each}, at {SHARE:.0%} of the {ahead.product_gflops:.3g} GFLOP/s"
    rests += " that products reach just now"
    return (
        f"{told}, {roughly(ahead.seconds)} in the network on {ahead.device} ({rests}); reading and loading come on top"
    )


def _line(finding: Any) -> str:
    told = f"  {finding.severity:7}  {finding.code}: {finding.sentence}"
    return told + (f"\n           → {finding.next}" if finding.next else "")
