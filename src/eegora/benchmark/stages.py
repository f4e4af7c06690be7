"""Where the time of one whole use goes: read, prepare, pack, forward, save. Needs MNE, which it imports when it runs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegora.benchmark import machine
from eegora.benchmark.measure import Sample, in_turn, timed
from eegora.benchmark.subject import SEED, Subject
from eegora.benchmark.sweeps import Plan
from eegora.compute.batching import in_batches
from eegora.compute.device import choose_device
from eegora.model import Model
from eegora.preparation import Preparation

if TYPE_CHECKING:
    from eegora.results.embeddings import Embeddings
    from eegora.signal import Signal
    from eegora.windows import Windows

SECONDS, QUICK_SECONDS = 60.0, 10.0


def stages(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield a row per model and number of threads: milliseconds of each stage of embedding a synthetic recording, and of all.

    The stages are taken in turn, so that each is measured with warm caches.
    """
    from eegora.recordings.synthetic import synthetic_raw
    from eegora.recordings.write import save_raw

    seconds = QUICK_SECONDS if plan.quick else SECONDS
    cases = list(product(plan.names, plan.dtypes, plan.threads_on(choose_device(plan.device).name)))
    with tempfile.TemporaryDirectory() as folder:
        path = save_raw(synthetic_raw(seconds, SEED), Path(folder) / "recording_raw.fif")
        for name, dtype, threads in cases:
            with machine.threads(threads):
                row = _row(name, path, replace(plan, dtypes=(dtype,), seconds=plan.seconds / len(cases)))
            yield {"recording_seconds": seconds, "threads": threads} | row


def _row(name: str, path: Path, plan: Plan) -> dict[str, Any]:
    from eegora.recordings.read import load_signal

    subject = Subject(plan.what(name), choose_device(plan.device, plan.dtypes[0]), plan.checkpoint)
    subject.accelerate()
    model = _model(subject)
    signal: Signal = load_signal(path)[0]
    how = Preparation(missing="skip")
    windows: Windows = model.prepare(signal, how)
    packed = subject.code.packed("embed", windows, subject.config)
    embeddings: Embeddings = model.embed(windows)
    ways: dict[str, Callable[[], Any]] = {
        "read": lambda: load_signal(path),
        "prepare": lambda: model.prepare(signal, how),
        "pack": lambda: subject.code.packed("embed", windows, subject.config),
        "forward": lambda: list(in_batches(subject.run, packed, subject.device)),
        "save": lambda: embeddings.save(path.with_name(f"{name}.parquet")),
    }
    rounds: dict[str, Callable[[], Sample]] = {stage: partial(timed, work) for stage, work in ways.items()}
    times = in_turn(rounds, warmup=1, runs=plan.runs, judged="wall", seconds=plan.seconds)
    return {
        "name": name,
        "device": subject.device.label,
        "dtype": subject.device.dtype,
        "windows": len(windows),
        "stages": {stage: found.record() for stage, found in times.items()},
        "total_ms": round(sum(found.median for found in times.values()), 3),
        "quiet": machine.quiet(),
    }


def _model(subject: Subject) -> Model:
    """Return the `Model` of a network that is ready, for what goes on around it."""
    variant = subject.what.name.removeprefix(f"{subject.spec.name}-")
    return Model(
        subject.spec,
        replace(subject.code, embed=lambda network, inputs: subject.run(inputs)),
        subject.loaded,
        variant=variant,
        device=subject.device,
        checkpoint={"source": "untrained", "name": f"untrained, seed {SEED}", "seed": SEED},
    )
