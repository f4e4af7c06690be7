"""What tests of models share: every model's folder, its reference vectors, and recordings to feed it."""

import os
from pathlib import Path

import pytest

from eegora import registry

HERE = Path(__file__).parent
MODELS = sorted(registry.specs())


def small_vectors():
    """The vector files committed beside each model's tests: (model, file)."""
    return [(m, path) for m in MODELS for path in sorted((HERE / m / "vectors").glob("*.safetensors"))]


def big_vectors():
    """The files of the folder that EEGORA_VECTORS names; a folder that is not there is an error, not a skip."""
    folder = os.environ.get("EEGORA_VECTORS")
    if not folder:
        return []
    found = [
        (m, path)
        for m in MODELS
        for path in sorted(Path(folder).glob("*.safetensors"))
        if registry.plain(path.name.split("-")[0]) == registry.plain(m)
    ]
    assert {m for m, _ in found} == set(MODELS), f"EEGORA_VECTORS={folder} lacks the vectors of some model"
    return found


def name_of(pair):
    return f"{pair[0]}:{pair[1].stem}"


@pytest.fixture(scope="session")
def raw():
    """Twenty-one seconds of synthetic EEG on the 21 electrodes of a TUH recording, at 250 Hz."""
    from eegora.recordings.synthetic import synthetic_raw

    return synthetic_raw(21, 3, sfreq=250)
