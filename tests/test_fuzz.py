"""The fuzz run itself, short: it is quiet on what we have, and speaks up when the reader does not."""

import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from eegora.errors import RecordingError

spec = importlib.util.spec_from_file_location("fuzz", Path(__file__).parent / "fuzz.py")
fuzz = sys.modules["fuzz"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fuzz)


def test_two_hundred_damaged_files_give_no_finding():
    counts, findings = fuzz.fuzz(range(200), seed=3)
    assert findings == []
    assert sum(sum(outcomes.values()) for outcomes in counts.values()) == 200
    assert all(len(outcomes) > 1 for outcomes in counts.values())


def test_a_file_is_the_same_every_time():
    assert fuzz.damaged(0, 17) == fuzz.damaged(0, 17)
    assert fuzz.damaged(0, 17) != fuzz.damaged(1, 17)


def raising(error):
    def load(path):
        raise error

    return load


def test_errors_of_ours_are_no_finding(monkeypatch, tmp_path):
    monkeypatch.setattr(fuzz, "load_signal", raising(RecordingError("ragged", "a row")))
    assert fuzz.run_one(tmp_path / "x.csv", b"") == ("ragged", None, None)


@pytest.mark.parametrize("error", [KeyError(65), MemoryError(), RuntimeWarning("overflow"), AssertionError()])
def test_any_other_exception_is_one(monkeypatch, tmp_path, error):
    monkeypatch.setattr(fuzz, "load_signal", raising(error))
    outcome, _, wrong = fuzz.run_one(tmp_path / "x.csv", b"")
    assert outcome == "traceback"
    assert type(error).__name__ in wrong


def test_a_hang_is_one(monkeypatch, tmp_path):
    def never(path):
        while True:
            time.sleep(0.01)

    monkeypatch.setattr(fuzz, "load_signal", never)
    monkeypatch.setattr(fuzz, "SECONDS", 0.05)
    assert fuzz.run_one(tmp_path / "x.csv", b"")[0] == "hang"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"data": np.full((1, 500), np.nan)}, "not finite"),
        ({"sfreq": 1e9}, "rate of 1e+09 Hz"),
        ({"data": np.random.default_rng(0).standard_normal((1, 500))}, "standard deviations"),
        ({"ch_pos": np.array([[2.0, 0, 0]])}, "beyond a metre"),
    ],
)
def test_silent_garbage_is_one(change, says):
    from dataclasses import replace

    from eegora.signal import Signal

    data = 20e-6 * np.random.default_rng(0).standard_normal((1, 500))
    good = Signal(data, ("Cz",), np.full((1, 3), np.nan), 250.0)
    assert fuzz.garbage(good, good, True) is None
    assert says in fuzz.garbage(replace(good, **change), good, False)


def test_a_contradiction_that_passes_is_one():
    from dataclasses import replace

    from eegora.signal import Signal

    good = Signal(20e-6 * np.random.default_rng(0).standard_normal((1, 500)), ("Cz",), np.full((1, 3), np.nan), 250.0)
    shorter = replace(good, data=good.data[:, :400])
    assert "passed silently" in fuzz.garbage(shorter, good, True)
    assert fuzz.garbage(replace(shorter, notes=("truncated: 100 samples",)), good, True) is None
