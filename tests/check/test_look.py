import mne
import numpy as np
import pytest

from eegora.check import look as looking
from eegora.check.look import look_at
from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.recordings.synthetic import synthetic_raw
from eegora.signal import Annotation


def test_a_file_that_cannot_be_understood_raises(case):
    for name, code in [("empty.edf", "empty_file"), ("units_blank.edf", "needs_units"), ("ragged.csv", "ragged")]:
        with pytest.raises(RecordingError) as error:
            look_at(case(name))
        assert (error.value.code, error.value.exit_code) == (code, 2)


def test_what_was_typed_wrong_raises(case):
    with pytest.raises(ChannelError, match="no channel 'Cx'"):
        look_at(case("ok4.edf"), bads=["Cx"])
    with pytest.raises(UsageError):
        look_at(7)


@pytest.mark.parametrize("name", ["digital_range_zero.edf", "nonmonotonic.csv"])
def test_what_is_wrong_with_the_content_is_a_finding(case, name):
    found = look_at(case(name))
    assert found.signal is None
    assert [f.severity for f in found.findings] == ["error"]


def test_not_a_number_is_an_error_and_the_rest_is_looked_at_all_the_same(case):
    found = look_at(case("nan_inf.csv"))
    assert found.findings[0].code == "non_finite"
    assert found.signal is not None
    assert any(f.code == "unit" for f in found.findings)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("ok4.edf", {"file": 0, "table": 4, "unknown": 0}),
        ("double_raw.fif", {"file": 4, "table": 0, "unknown": 0}),
        ("tuh_le.edf", {"file": 0, "table": 21, "unknown": 2}),
    ],
)
def test_positions_tell_their_source(case, name, counts):
    assert look_at(case(name)).numbers["positions"] == counts


def test_every_kind_of_source_is_looked_at(case):
    raw = mne.io.read_raw_fif(case("double_raw.fif"), verbose="ERROR")
    by_path, by_raw = look_at(case("double_raw.fif")), look_at(raw)
    assert by_path.numbers == by_raw.numbers
    assert by_raw.name == "double_raw.fif"
    array = look_at((raw.get_data() * 1e6, raw.ch_names, raw.info["sfreq"], "uV"))
    assert np.allclose(list(array.numbers["std_uv"].values()), list(by_path.numbers["std_uv"].values()), rtol=1e-4)


def test_of_a_long_recording_only_stretches_are_read(monkeypatch, tmp_path):
    raw = synthetic_raw(1300, 0, ch_names=["Fp1", "Cz", "Oz"], sfreq=128)
    raw.set_annotations(mne.Annotations([10, 400, 700], [1, 30, 5], ["BAD_x", "BAD_ACQ_SKIP", "BAD_y"]))
    raw._data[:, 400 * 128 : 430 * 128] = 0
    path = tmp_path / "long_raw.fif"
    raw.save(path, verbose="ERROR")
    whole = look_at(path)
    monkeypatch.setattr(looking, "MOST_VALUES", 100_000)
    part = look_at(path)
    assert whole.is_whole
    assert not part.is_whole
    assert part.signal.n_times < 601 * 128
    assert (part.n_times, part.seconds, part.annotations) == (whole.n_times, whole.seconds, whole.annotations)
    assert "were looked at" in part.findings[0].sentence
    assert not any(f.code == "flat" for f in part.findings)  # stretches keep out of gaps
    for name, value in whole.numbers["std_uv"].items():
        assert part.numbers["std_uv"][name] == pytest.approx(value, rel=0.4)


def test_annotations_of_a_long_recording_keep_their_channels(monkeypatch):
    raw = synthetic_raw(700, 0, ch_names=["Fp1", "Cz"], sfreq=128)
    raw.set_annotations(mne.Annotations([10], [1], ["BAD_x"], ch_names=[["Fp1"]]))
    monkeypatch.setattr(looking, "MOST_VALUES", 100_000)
    assert look_at(raw).annotations == (Annotation(10.0, 1.0, "BAD_x", ("Fp1",)),)


def test_a_large_recording_may_be_short(monkeypatch):
    raw = synthetic_raw(10, 0, ch_names=["Fp1", "Cz"], sfreq=512)
    monkeypatch.setattr(looking, "MOST_VALUES", 5000)
    found = look_at(raw)
    assert not found.is_whole
    assert 4900 <= found.signal.data.size <= 5000
    assert np.isin(found.signal.data, raw.get_data()).all()
