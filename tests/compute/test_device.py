"""MPS: float32 alone, said to be unmeasured, and loud where the CPU steps in. Other devices: see test_accelerate."""

import os
import subprocess
import sys

import pytest
import torch

from eegora.compute.device import choose_device
from eegora.errors import DeviceError
from eegora.recordings.synthetic import synthetic_raw
from eegora.recordings.write import save_raw


@pytest.fixture
def mps(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setenv("PYTORCH_ENABLE_MPS_FALLBACK", "1")


def test_mps_is_labelled_unmeasured(mps):
    assert "unmeasured" in choose_device("mps").reason


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_mps_runs_in_float32_alone(mps, dtype):
    with pytest.raises(DeviceError, match="float32") as caught:
        choose_device("mps", dtype)
    assert (caught.value.code, caught.value.hint) == ("no_dtype", "--dtype float32")


def test_without_mps_it_is_one_line(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setenv("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    with pytest.raises(DeviceError) as caught:
        choose_device("mps")
    assert caught.value.code == "no_device"


WATCH = """
import os, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("PYTORCH_ENABLE_MPS_FALLBACK"))
            raise SystemExit

sys.meta_path.insert(0, Finder())
from eegora.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    "command",
    [
        "embed {} --model luna-base --untrained --device mps --threads 1",
        "parity luna-base {} --devices cpu,mps --untrained",
        "bench latency luna-base --device mps",
    ],
)
def test_the_fallback_is_on_before_torch_is_imported(command, tmp_path):
    """torch reads it once, when it is imported."""
    save_raw(synthetic_raw(6, 0), tmp_path / "a_raw.fif")
    clean = {key: value for key, value in os.environ.items() if key != "PYTORCH_ENABLE_MPS_FALLBACK"}
    words = [word.format(tmp_path / "a_raw.fif") for word in command.split()]
    done = subprocess.run([sys.executable, "-c", WATCH, *words], capture_output=True, text=True, check=False, env=clean)
    assert done.stdout.strip() == "1", done.stderr


def test_a_user_is_told_before_anything_runs_on_mps_and_nowhere_else(mps):
    assert "unmeasured" in str(choose_device("mps").warning)
    assert choose_device("cpu").warning is None
