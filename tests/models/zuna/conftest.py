"""What ZUNA's tests share: a tiny network of either generation, and windows to feed it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from safetensors.numpy import save_file

from eegora import assembly
from eegora.checkpoints.synthetic import read_manifest, synthetic_state_dict
from eegora.compute.device import choose_device
from eegora.models.zuna.inference import CODE
from eegora.preparation import Pace
from eegora.recordings.positions import head_position
from eegora.tasks.run import run_windows
from eegora.windows import Windows

VECTORS = Path(__file__).parent / "vectors"
CPU = choose_device("cpu", "float64")
NAMES = ("Fp1", "Fp2", "C3", "C4", "O1")


def tiny(name="zuna-tiny", dtype="float64", **fields):
    """Load a tiny synthetic checkpoint through the ordinary loader."""
    manifest = read_manifest(VECTORS / f"{name}.json")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.safetensors"
        save_file(synthetic_state_dict(manifest), path)
        return assembly.load_network(CODE, path, config={**manifest.config["model"], **fields}, dtype=dtype)


def windows(n_windows=3, n_times=128, seed=0, names=NAMES, n_valid=None):
    """Return noise with the amplitude that recipes give."""
    rng = np.random.RandomState(seed)
    data = 0.1 * rng.standard_normal((n_windows, len(names), n_times)).astype(np.float32)
    n_valid = np.full(n_windows, n_times) if n_valid is None else np.array(n_valid)
    return Windows(
        data=data * (np.arange(n_times) < n_valid[:, None, None]),
        ch_names=names,
        ch_pos=np.array([head_position(name) for name in names]),
        sfreq=256.0,
        onsets=np.arange(n_windows) * n_times / 256,
        index=np.arange(n_windows),
        n_valid=n_valid,
    )


def double(inputs):
    """Bring packed inputs to float64."""
    return {name: t.double() if t.is_floating_point() else t for name, t in inputs.items()}


def pack(loaded, source, **settings):
    """All that the sampler needs."""
    return double(CODE.packed("reconstruct", source, {**loaded.config, **settings}))


def run(loaded, task, source, given=None, **settings):
    """Run a task as `Model` does: windows of one length together."""

    def call(inputs):
        return getattr(CODE, task)(loaded.network, inputs)

    return run_windows(CODE, task, call, source, {**loaded.config, **settings}, CPU, Pace(), given)


@pytest.fixture(scope="session")
def second():
    """The second generation, float64."""
    return tiny("zuna-tiny")


@pytest.fixture(scope="session")
def first():
    """The first generation, float64."""
    return tiny("zuna-tiny1")
