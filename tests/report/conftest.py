import math
from dataclasses import replace

import numpy as np
import pytest

from eegora.plan import ChannelPlan, ChannelUse
from eegora.provenance import Provenance
from eegora.recordings.positions import head_position
from eegora.results import Attention, Embeddings, Reconstruction
from eegora.results.pooling import Pooling
from eegora.results.score import Score, Trace
from eegora.signal import Annotation, Signal
from eegora.windows import Windows

NAMES = ("Fp1", "F7", "T7", "Cz", "Oz")
ROWS = ("FP1-F7", "F7-T3", "CZ")
METHODS = ("Agora", "spherical spline", "mean of the others", "zeros")
SCORED = ("Fp1", "F7", "T7", "Cz", "Oz", "Pz")


def places(names):
    return np.array([head_position(name) for name in names])


@pytest.fixture
def signal():
    rng = np.random.default_rng(3)
    times = np.arange(20 * 200) / 200
    data = 1e-5 * (rng.normal(size=(5, times.size)) + 2 * np.sin(2 * np.pi * 50 * times))
    notes = (
        Annotation(2.0, 1.0, "BAD_move"),
        Annotation(5.0, 1.0, "BAD_muscle", ("T7",)),
        Annotation(19.0, 1.0, "late"),
    )
    return Signal(data, NAMES, places(NAMES), 200.0, annotations=notes, bads=("F7",), name="night.edf")


@pytest.fixture
def windows(signal):
    plan = ChannelPlan(
        (
            ChannelUse("derived", "FP1-F7", ("Fp1", "F7")),
            ChannelUse("derived", "F7-T3", ("F7", "T7")),
            ChannelUse("kept", "CZ", ("Cz",)),
            ChannelUse("dropped", None, ("Oz",), "not in the recipe"),
        )
    )
    data = np.random.default_rng(4).normal(size=(4, 3, 1280)).astype(np.float32)
    whole = np.full(4, 1280)
    onsets = np.arange(4) * 5.0
    return Windows(
        data, ROWS, places(ROWS), 256.0, onsets, np.arange(4), whole, scale=np.full((4, 3, 1), 1e-5), plan=plan
    )


@pytest.fixture
def provenance():
    return Provenance("night.edf", "agora", "small", "embed")


@pytest.fixture
def attention(windows, provenance):
    shares = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32)
    return Attention(np.broadcast_to(shares, (4, 32, 2, 3)), ROWS, windows.onsets, 5.0, provenance)


@pytest.fixture
def embeddings(windows, provenance):
    data = np.random.default_rng(5).normal(size=(4, 6, 8)).astype(np.float32)
    poolings = {"window": Pooling(mean=("patch",))}
    return Embeddings(data, ("window", "patch", "feature"), windows.onsets, 5.0, ROWS, provenance, poolings=poolings)


@pytest.fixture
def reconstruction(windows, provenance):
    return Reconstruction(windows.data * np.float32(0.5), windows, provenance)


@pytest.fixture
def untrained(provenance):
    return replace(provenance, untrained=True)


def rows_of(kind, names, start, stop):
    for i, name in enumerate(names):
        for k, method in enumerate(METHODS):
            nmse = 0.2 + 0.1 * ((i + k) % 4)
            least = (i + k) % 4 == 0
            yield {
                "kind": kind, "hidden": name, "channel": name, "area": "central", "start": start, "stop": stop, "run": 0,
                "hidden_at_once": 2, "method": method, "won": least, "n_samples": 100, "nmse": nmse,
                "r": math.nan if method == "zeros" else 0.9 - 0.1 * k, "snr_db": -10 * math.log10(nmse),
                "spectral": math.inf if method == "zeros" else 0.1, **dict.fromkeys(("delta", "gamma"), 0.1),
            }  # fmt: skip


@pytest.fixture
def score(provenance):
    rng = np.random.default_rng(0)

    def trace(kind, name, start, hidden):
        truth = (1e-5 * rng.standard_normal(600)).astype(np.float32)
        return Trace(kind, name, start, hidden, truth, {method: truth * np.float32(0.5) for method in METHODS})

    names = SCORED[:5]
    table = (*rows_of("channel", names, 5.0, 65.0), *rows_of("span", ("Cz",), 10.0, 11.0))
    traces = (*(trace("channel", name, 20.0, (5.0, 65.0)) for name in names), trace("span", "Cz", 9.0, (10.0, 11.0)))
    return Score(
        table, METHODS, traces, SCORED, places(SCORED), (5.0, 65.0), 200.0, "limited to 1 to 40 Hz", False, provenance
    )
