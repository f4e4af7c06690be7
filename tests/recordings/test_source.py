"""What may be said of a source: how a file or an array is read, in Python as on the command line."""

import mne
import numpy as np
import pytest

from eegora.errors import UsageError
from eegora.preparation import Preparation
from eegora.recordings.source import as_recording

NAMES = ["ch1", "Cz", "EKG"]


@pytest.fixture
def array():
    return np.random.default_rng(0).standard_normal((3, 512)) * 20, NAMES, 256


def test_an_array_takes_a_unit_names_and_a_choice(array):
    how = Preparation(units="uV", rename={"ch1": "Fp1"}, exclude="Cz")
    signal = as_recording(array, reading=how.reading)
    assert signal.ch_names == ("Fp1", "Cz")
    np.testing.assert_allclose(signal.data, array[0][:2] * 1e-6)
    assert [use.sources for use in signal.plan.uses][:2] == [("ch1",), ("Cz",)]
    assert as_recording((*array, "mV"), reading={"units": "uV", "channels": ["Cz"]}).data.std() < 1e-3


def test_a_file_is_read_as_a_preparation_says(array, tmp_path):
    np.savez(tmp_path / "a.npz", data=array[0], ch_names=NAMES)
    how = Preparation(units="uV", sfreq=128, rename={"ch1": "F3"}, channels="F3")
    signal = as_recording(tmp_path / "a.npz", reading=how.reading)
    assert (signal.ch_names, signal.sfreq, signal.path) == (("F3",), 128, str(tmp_path / "a.npz"))


@pytest.mark.parametrize(
    ("reading", "hint"), [({"units": "uV"}, "read_recording"), ({"rename": {"ch1": "Fp1"}}, "rename_channels")]
)
def test_an_object_of_mne_says_itself_what_it_is(array, reading, hint):
    raw = mne.io.RawArray(array[0] * 1e-6, mne.create_info(NAMES, 256, "eeg"), verbose="ERROR")
    with pytest.raises(UsageError, match="a RawArray came") as refused:
        as_recording(raw, reading=reading)
    assert hint in refused.value.hint
    with pytest.raises(UsageError, match="sfreq= is about files"):
        as_recording(array, reading={"sfreq": 128})
