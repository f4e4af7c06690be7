"""``eegora doctor``: whether this installation and this machine are in order, and what to mend."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from eegora.check.installation import Health


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", help="Say whether this installation and this machine are in order, and what to mend.")(doctor)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False) -> None:
    """Examine the installation; leave with 1 if something is to be mended."""
    from eegora.check.installation import examine

    health = examine()
    sys.stdout.write(json.dumps(health.to_dict(), indent=2) + "\n" if as_json else _text(health))
    if health.exit_code:
        raise typer.Exit(health.exit_code)


def _text(health: Health) -> str:
    facts = health.facts
    machine, devices, threads, network = (facts[name] for name in ("machine", "devices", "threads", "network"))
    cards = [f"{card['name']}, {card['memory_gib']} GiB" for card in devices["cuda"]] + ["mps"] * devices["mps"]
    driver = devices["driver_cuda"]
    lines = [
        "versions    " + ", ".join(f"{name} {have or 'absent'}" for name, have in facts["versions"].items()),
        f"machine     {machine['system']}, {threads['cores']} cores, {machine['memory_gib'] or '?'} GiB",
        f"devices     cpu{''.join(f'; {card}' for card in cards)}; driver: "
        + (f"CUDA up to {driver[0]}.{driver[1]}" if driver else "none")
        + f"; torch built for {'CUDA ' + devices['torch_cuda'] if devices['torch_cuda'] else 'the CPU'}",
        f"threads     {threads.get('torch', '?')} of torch ({threads.get('blas', '?')}), numpy's BLAS:"
        f" {threads.get('blas of numpy', '?')}, OMP_NUM_THREADS {threads['OMP_NUM_THREADS'] or 'not set'}",
        f"network     {network['hub']}, {'offline' if network['offline'] else 'not asked'},"
        f" {'with' if network['token'] else 'without'} HF_TOKEN",
    ]
    for name, folder in facts["folders"].items():
        state = f"{folder['bytes'] / 1e6:,.0f} MB" if folder["bytes"] else "empty" if folder["exists"] else "not there"
        rights = "" if folder["writable"] else ", not writable"
        lines.append(f"folder      {name}: {folder['path']} ({state}{rights}), {folder['free'] / 1e9:,.0f} GB free")
    for finding in health.findings:
        lines.append(f"{finding.severity:11} {finding.code}: {finding.sentence}")
        if finding.next:
            lines.append(f"            → {finding.next}")
    return "\n".join([*lines, str(health)]) + "\n"
