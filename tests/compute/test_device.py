"""MPS: float32 alone, said to be unmeasured, and loud where the CPU steps in. Other devices: see test_accelerate."""

import os
import subprocess
import sys

import pytest
import torch

from eegora.compute.device import choose_device
from eegora.errors import DeviceError


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


def test_the_fallback_is_on_before_torch_is_imported():
    """torch reads it once, when it is imported."""
    code = (
        "import os, sys\n"
        "from eegora.compute.device import choose_device\n"
        "assert 'torch' not in sys.modules\n"
        "try: choose_device('mps')\n"
        "except Exception: pass\n"
        "print(os.environ.get('PYTORCH_ENABLE_MPS_FALLBACK'))"
    )
    clean = {key: value for key, value in os.environ.items() if key != "PYTORCH_ENABLE_MPS_FALLBACK"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=clean)
    assert done.stdout.strip() == "1"
