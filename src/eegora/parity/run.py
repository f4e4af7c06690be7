"""Run every case of a vector file through a model's code, in float64 and float32. What a case means is the model's `reference` module's knowledge."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np

from eegora.checkpoints.synthetic import Manifest
from eegora.errors import EegoraError
from eegora.parity.compare import Dtype, Limits, is_judged, judge
from eegora.parity.manifests import find_layout, write_checkpoint, write_config
from eegora.parity.report import DTYPES, Failure, ParityReport, Row
from eegora.parity.vectors import Case, Tensor, VectorFile, read_vectors

Progress = Callable[[int, int, str], None]


class Loaded(Protocol):
    """What a loader returns."""

    @property
    def network(self) -> Any:
        """A torch module in eval mode."""

    @property
    def config(self) -> Any:
        """The configuration that it was built from."""


Load = Callable[[Path, Path, Dtype], Loaded]


def run_vectors(
    path: str | Path,
    *,
    code: Any,
    reference: Any,
    manifest_folders: Sequence[str | Path] = (),
    dtypes: Sequence[Dtype] = DTYPES,
    progress: Progress | None = None,
    load: Load | None = None,
) -> ParityReport:
    """Run a vector file and judge every stage that it expects.

    Parameters
    ----------
    path : path
        The vector file.
    code : ModelCode
        What the ordinary loader builds the network with.
    reference : module
        ``run_case(case, tensors, network, config, dtype)`` → {stage: array or plain value}, where `tensors` are the
        case's inputs by argument. Optional: ``LIMITS``, fields of `Limits` by name (a plain dict: models do not import
        parity); ``TASKS``, the tasks it knows; ``LOADING``, the options that change loading and win over the
        manifest's configuration.
    manifest_folders : sequence of path
        Where manifests are; the vector file's own folder comes last.
    dtypes : sequence of str
        Runs to make. A case with the option ``precision`` runs in that one alone.
    progress : callable (done, total, words), optional
    load : callable (checkpoint, config.json, dtype) → Loaded, optional
        Instead of `eegora.assembly.load_network`.

    Returns
    -------
    ParityReport
        A case that cannot be run is a failure in it, not an exception.

    Raises
    ------
    EegoraError
        If the vector file itself cannot be read (`read_vectors`).
    """
    vectors = read_vectors(path)
    run = _Run(vectors, reference, load or _loader(code), tuple(dtypes), progress or (lambda done, total, words: None))
    cases = sorted(vectors.cases.values(), key=lambda case: (case.manifest or "", case.name))
    folders = [*map(Path, manifest_folders), vectors.path.parent]
    for name, group in groupby(cases, key=lambda case: case.manifest):
        run.manifest(name, list(group), folders)
    return run.report()


def _loader(code: Any) -> Load:
    """Return the ordinary way from a file to a network."""

    def load(checkpoint: Path, config: Path, dtype: Dtype) -> Loaded:
        from eegora.assembly import load_network

        return load_network(code, checkpoint, config=config, dtype=dtype)

    return load


@dataclass
class _Run:
    """One pass over a vector file; collects rows and failures as it goes."""

    vectors: VectorFile
    reference: Any
    load: Load
    dtypes: tuple[Dtype, ...]
    progress: Progress
    rows: list[Row] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    computed: dict[str, Tensor] = field(default_factory=dict)
    done: int = 0

    @property
    def limits(self) -> Limits:
        return Limits(**getattr(self.reference, "LIMITS", {}))

    def manifest(self, name: str | None, cases: list[Case], folders: list[Path]) -> None:
        """Run the cases of one manifest, on one file that is filled once for both runs."""
        cases = [case for case in cases if self.known(case)]
        if not cases:
            return
        if name is None:
            for dtype in DTYPES:
                self.batch(self.in_run(cases, dtype), None, {}, dtype)
            return
        with TemporaryDirectory(prefix="eegora-parity-") as temporary:
            try:
                manifest = find_layout(name, folders)
                checkpoint = write_checkpoint(manifest, Path(temporary))
            except Exception as error:
                self.fail(cases, "", error)
                return
            for dtype in DTYPES:
                for config, batch in self.by_config(manifest, self.in_run(cases, dtype)):
                    self.loaded(checkpoint, config, batch, dtype)

    def known(self, case: Case) -> bool:
        """Refuse a task that the model does not know, and a case without anything to compare."""
        tasks = getattr(self.reference, "TASKS", None)
        if tasks is not None and case.task not in tasks:
            self.failures.append(Failure(case.name, "", f"unknown task {case.task!r}; known are {', '.join(tasks)}"))
        elif case.options.get("precision") not in (None, *DTYPES):
            self.failures.append(Failure(case.name, "", f"unknown precision {case.options['precision']!r}"))
        elif not case.expected:
            self.failures.append(Failure(case.name, "", "expects nothing, so it shows nothing"))
        else:
            return True
        return False

    def in_run(self, cases: Iterable[Case], dtype: Dtype) -> list[Case]:
        """Return the cases that this run decides anything about."""
        return [
            case
            for case in cases
            if dtype in ((own,) if (own := case.options.get("precision")) else self.dtypes)
            and any(is_judged(case, e, dtype, self.original(e.tensor), self.limits) for e in case.expected.values())
        ]

    def original(self, tensor: str | None) -> tuple[float, float] | None:
        return self.vectors.error.get(tensor) if tensor else None

    def by_config(self, manifest: Manifest, cases: list[Case]) -> Iterator[tuple[dict[str, Any], list[Case]]]:
        """Group cases whose options ask for the same network."""
        names = getattr(self.reference, "LOADING", ())

        def chosen(case: Case) -> str:
            return json.dumps({name: case.options[name] for name in names if name in case.options}, sort_keys=True)

        for options, batch in groupby(sorted(cases, key=lambda case: (chosen(case), case.name)), key=chosen):
            yield {**manifest.config, **json.loads(options)}, list(batch)

    def loaded(self, checkpoint: Path, config: Mapping[str, Any], cases: list[Case], dtype: Dtype) -> None:
        """Load a network, run its cases, free it: the largest takes gigabytes."""
        self.progress(self.done, self.total, f"loading {checkpoint.stem} in {dtype}")
        try:
            found = self.load(checkpoint, write_config(config, checkpoint.parent), dtype)
        except Exception as error:
            self.fail(cases, dtype, error)
            return
        self.batch(cases, found.network, found.config, dtype)
        del found
        gc.collect()

    def batch(self, cases: Iterable[Case], network: Any, config: Any, dtype: Dtype) -> None:
        for case in cases:
            self.progress(self.done, self.total, f"{case.name} in {dtype}")
            try:
                with _inference(network):
                    stages = self.reference.run_case(case, dict(case.inputs), network, config, dtype)
                    self.judge(case, stages, dtype)
            except Exception as error:  # one case must not hide what the others show
                self.fail([case], dtype, error)
            self.done += 1
        self.progress(self.done, self.total, "")

    def judge(self, case: Case, stages: Mapping[str, Any], dtype: Dtype) -> None:
        for stage, expected in case.expected.items():
            if stage not in stages:
                self.failures.append(Failure(case.name, dtype, f"{stage}: not among the computed stages"))
                continue
            value, original = stages[stage], self.original(expected.tensor)
            found = judge(case, expected, value, dtype, original=original, limits=self.limits)
            self.rows.append(Row(case.name, stage, expected.tensor or "", dtype, original, found))
            if expected.data is not None and (array := np.asarray(value)).dtype.kind in "fiub":
                self.computed[f"{case.name}/{stage}.{dtype}"] = array

    def fail(self, cases: Iterable[Case], dtype: str, error: Exception) -> None:
        words = str(error) if isinstance(error, EegoraError) else f"{type(error).__name__}: {error}"
        one_line = " ".join(words.split())
        self.failures += [Failure(case.name, dtype, one_line) for case in cases]

    @property
    def total(self) -> int:
        return sum(len(self.in_run(self.vectors.cases.values(), dtype)) for dtype in DTYPES)

    def report(self) -> ParityReport:
        cases = self.vectors.cases
        return ParityReport(
            file=self.vectors.path.name,
            sha256=self.vectors.sha256,
            tasks={name: case.task for name, case in cases.items()},
            expected={name: len(case.expected) for name, case in cases.items()},
            rows=tuple(sorted(self.rows, key=lambda row: (row.case, row.stage, DTYPES.index(row.dtype)))),
            failures=tuple(sorted(self.failures, key=lambda failure: (failure.case, failure.dtype, failure.why))),
            computed=dict(sorted(self.computed.items())),
        )


def _inference(network: Any) -> Any:
    """Run without gradients where there is a network to run."""
    if network is None:
        return nullcontext()
    import torch

    return torch.inference_mode()
