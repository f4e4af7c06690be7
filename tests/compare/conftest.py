"""What these tests share: a recording, a tiny checkpoint of the model that repairs, and a stand-in whose answers are known."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

import eegora
from eegora.checkpoints.synthetic import read_manifest, synthetic_state_dict
from eegora.provenance import Provenance
from eegora.recipes import kernels
from eegora.recipes.recipe import Recipe, Step
from eegora.recipes.steps import STEPS
from eegora.recordings.source import as_signal
from eegora.recordings.synthetic import synthetic_raw

MANIFEST = Path(__file__).parent.parent / "models" / "zuna" / "vectors" / "zuna-tiny.json"
STEPS_OF_IT = (
    Step("pick", {"need_position": True, "unknown": "drop"}),
    Step("resample", {"rate": 128.0}),
    Step("filter", {"l_freq": 1.0, "h_freq": 40.0}),
    Step("cut", {"seconds": 4.0}),
)
RECIPE = Recipe("stand-in", STEPS_OF_IT)


class StandIn:
    """A model whose answer is a function of the recording that it gets, at its own rate and in its own band."""

    tasks = ("repair",)
    notes = ()
    untrained = False
    spec = SimpleNamespace(title="Stand-in")

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def recipe(self, how):
        return RECIPE

    def window_seconds(self, how):
        return 4.0

    def repair(self, signal, how, **wanted):
        self.asked.append((signal, wanted))
        limited = self.limited(self.answer(signal))
        windows = SimpleNamespace(ch_names=limited.ch_names, sfreq=limited.sfreq)
        record = Provenance(signal.name, "stand-in", "small", "repair", options=wanted)
        return SimpleNamespace(details=SimpleNamespace(windows=windows, hybrid=limited.data), provenance=record)

    @staticmethod
    def limited(signal):
        for step in STEPS_OF_IT[:-1]:
            signal = STEPS[step.name].function(signal, **step.options)
        return signal


def oracle(raw, start=0.0, seconds=1e9):
    """A stand-in that knows the truth of a stretch."""
    signal = as_signal(raw)
    first = round(start * signal.sfreq)
    data = signal.data[:, first : first + round(min(seconds, signal.seconds) * signal.sfreq)]
    return StandIn(lambda shown: replace(signal, data=data, annotations=shown.annotations))


def in_band(raw):
    """The truth that an oracle is judged by, (n_channels, n_times)."""
    signal = as_signal(raw)
    limited = StandIn.limited(signal)
    return np.array(kernels.resample(limited.data, limited.sfreq, signal.sfreq)[:, : signal.n_times])


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The tiny model; its checkpoint is a synthetic one."""
    folder = tmp_path_factory.mktemp("tiny")
    manifest = read_manifest(MANIFEST)
    save_file(synthetic_state_dict(manifest), folder / "tiny.safetensors")
    (folder / "tiny.json").write_text(json.dumps(manifest.config))
    return eegora.load_model("zuna", checkpoint=folder / "tiny.safetensors", config=folder / "tiny.json")


@pytest.fixture
def raw():
    """Twelve seconds, 21 electrodes, two of them bad."""
    raw = synthetic_raw(12, 0, sfreq=200)
    raw.info["bads"] = [raw.ch_names[0], raw.ch_names[20]]  # Fp1, Pz
    return raw
