"""The benchmark of preparation: our steps beside the same calls of MNE, in turn in one process. Knows no model.

The workloads and their bars are those of spec preprocessing.md, section 11. MNE is imported where it is measured.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora.benchmark import machine
from eegora.benchmark.measure import BAR_ROW, Sample, in_turn, ratio, timed
from eegora.benchmark.sweeps import Plan
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe, Step
from eegora.signal import Array

if TYPE_CHECKING:
    import mne

RATE = 256.0
SECONDS = 5.0
RECIPE = Recipe(
    "benchmark",
    (
        Step("pick", {"need_position": True, "unknown": "drop"}),
        Step("resample", {"rate": RATE}),
        Step("filter", {"l_freq": 0.5}),
        Step("average_reference", {"over": "good"}),
        Step("zscore", {"over": "global"}),
        Step("cut", {"seconds": SECONDS, "reject_by_annotation": True}),
        Step("baseline"),
        Step("divide", {"by": 10.0}),
    ),
)
SMALL = "Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8".split()
LARGE = (
    "Fp1 Fpz Fp2 AF7 AF3 AFz AF4 AF8 F7 F5 F3 F1 Fz F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCz FC2 FC4 FC6 FT8 T7 C5 C3 C1 Cz C2 C4"
    " C6 T8 TP7 CP5 CP3 CP1 CPz CP2 CP4 CP6 TP8 P7 P5 P3 P1 Pz P2 P4 P6 P8 PO7 PO3 POz PO4 PO8 O1 Oz O2 Iz F9 F10"
).split()


@dataclass(frozen=True)
class Workload:
    """One thing to time.

    Parameters
    ----------
    name : str
    ch_names : sequence of str
    seconds, sfreq : float
    bar : float or None
        How many times faster than MNE we must be, on one thread; None where the specification sets no bar.
    reading : bool
        Whether reading the file counts.
    suffix : str
        ``.fif`` or ``.edf``.
    """

    name: str
    ch_names: Sequence[str]
    seconds: float
    sfreq: float
    bar: float | None
    reading: bool = False
    suffix: str = ".fif"


WORKLOADS = (
    Workload("12 channels, 15 s at 256 Hz", SMALL, 15.0, 256.0, 6.0),
    Workload("12 channels, 15 s, 512 to 256 Hz", SMALL, 15.0, 512.0, 4.0),
    Workload("64 channels, 10 min, 512 to 256 Hz", LARGE, 600.0, 512.0, 2.0),
    Workload("read and prepare 12 channels, 15 s at 256 Hz", SMALL, 15.0, 256.0, 3.4, reading=True),
    Workload("read and prepare 12 channels, 15 s of EDF, 512 to 256 Hz", SMALL, 15.0, 512.0, None, True, ".edf"),
)


def preparing(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield a row per workload and number of threads.

    MNE stays on one thread: its own ``n_jobs`` makes this work slower (section 11).

    Yields
    ------
    dict
        ``name``, ``threads`` (what our kernels may use), ``peer_ms`` and ``ours_ms`` (medians), ``ratio``, ``low`` and ``high``
        (range over the rounds), ``bar``, ``max_abs_diff`` (of the windows, in their unit), ``scale`` (their largest value), ``clock``.
    """
    import mne

    workloads = WORKLOADS[:2] if plan.quick else WORKLOADS
    share = replace(plan, seconds=plan.seconds / len(workloads) / len(plan.threads))
    with tempfile.TemporaryDirectory() as folder, mne.use_log_level("ERROR"):
        for workload in workloads:
            path = _recording(workload, Path(folder))
            for n in plan.threads:
                with machine.threads(n):
                    yield _row(workload, path, share, n)


def _row(workload: Workload, path: Path, plan: Plan, threads: int) -> dict[str, Any]:
    """Time one workload, both ways in turn, and compare what they made."""
    import mne

    from eegora.recordings.read import load_signal

    made: dict[str, Array] = {}
    read = mne.io.read_raw_edf if workload.suffix == ".edf" else mne.io.read_raw_fif
    loaded = read(path, preload=True)
    signal, _ = load_signal(path)

    def peer() -> Sample:
        raw = None if workload.reading else loaded.copy()  # MNE works in place

        def run() -> None:
            made["peer"] = _by_mne(read(path, preload=True) if raw is None else raw)

        return timed(run)

    def ours() -> Sample:
        def run() -> None:
            made["ours"] = prepare(load_signal(path)[0] if workload.reading else signal, RECIPE).data

        return timed(run)

    clock = "cpu" if threads == 1 else "wall"
    rounds = {"peer": peer, "ours": ours}
    times = in_turn(rounds, warmup=plan.warmup, runs=plan.runs, judged=clock, seconds=plan.seconds)
    return {
        **BAR_ROW,
        "name": workload.name,
        "peer": f"mne {mne.__version__}",
        "threads": threads,
        "peer_ms": round(times["peer"].median, 3),
        "ours_ms": round(times["ours"].median, 3),
        **ratio(times["peer"], times["ours"]),
        "bar": workload.bar,
        "max_abs_diff": float(np.abs(made["peer"] - made["ours"]).max()),
        "scale": float(np.abs(made["peer"]).max()),
        "clock": clock,
        "quiet": machine.quiet(),
    }


def _by_mne(raw: mne.io.BaseRaw) -> Array:
    """Do what `RECIPE` does by the calls of MNE that it is equal to, shape (n_windows, n_channels, n_times), float32."""
    import mne

    raw.resample(RATE)
    raw.filter(0.5, None)
    raw.set_eeg_reference("average", projection=False)
    data = raw.get_data()
    mean, deviation = data.mean(), data.std()
    raw.apply_function(lambda values: (values - mean) / deviation, channel_wise=False)
    epochs = mne.make_fixed_length_epochs(raw, duration=SECONDS, preload=True)
    epochs.apply_baseline((None, None))
    return np.asarray(epochs.get_data(copy=False) / 10.0, dtype=np.float32)


def _recording(workload: Workload, folder: Path) -> Path:
    """Write the workload's recording, seeded."""
    from eegora.recordings.synthetic import synthetic_raw
    from eegora.recordings.write import save_raw

    path = folder / f"{len(workload.ch_names)}_{workload.sfreq:g}_raw{workload.suffix}"
    if not path.exists():
        raw = synthetic_raw(workload.seconds, 0, workload.ch_names, workload.sfreq)
        if workload.suffix == ".edf":
            _write_edf(path, raw.get_data() * 1e6, workload)
        else:
            save_raw(raw, path)
    return path


def _write_edf(path: Path, microvolts: Array, workload: Workload) -> None:
    """Write 16-bit EDF with records of one second; no package that writes it need be there."""
    n, rate = len(microvolts), round(workload.sfreq)
    n_records, limit = microvolts.shape[1] // rate, int(np.abs(microvolts).max()) + 1
    start = f"{'0':<8}{'X X X X':<80}{'Startdate X X X X':<80}01.01.0000.00.00{256 * (n + 1):<8}{'':<44}"
    same = ((80, ""), (8, "uV"), (8, -limit), (8, limit), (8, -32767), (8, 32767), (80, ""), (8, rate), (32, ""))
    fields = "".join(f"{name:<16}" for name in workload.ch_names) + "".join(
        f"{text:<{width}}" * n for width, text in same
    )
    header = f"{start}{n_records:<8}{1:<8}{n:<4}{fields}"
    counts = np.rint(microvolts[:, : n_records * rate] * (32767 / limit)).astype("<i2")
    path.write_bytes(header.encode("ascii") + counts.reshape(n, n_records, rate).swapaxes(0, 1).tobytes())
