import datetime

import mne
import numpy as np
import pytest

from eegora.errors import UsageError
from eegora.recordings.read import load_signal, read_recording, to_signal
from eegora.recordings.synthetic import synthetic_raw
from eegora.recordings.write import save_raw, windows_to_raw
from eegora.windows import Windows


def _windows(signal, indices, length, n_valid=None):
    starts = np.array(indices) * length
    data = np.zeros((len(indices), len(signal.ch_names), length))
    for window, start in zip(data, starts, strict=True):
        cut = signal.data[:, start : start + length]
        window[:, : cut.shape[1]] = cut
    return Windows(
        data=data,
        ch_names=signal.ch_names,
        ch_pos=signal.ch_pos,
        sfreq=signal.sfreq,
        onsets=starts / signal.sfreq,
        index=np.array(indices),
        n_valid=np.full(len(indices), length) if n_valid is None else np.array(n_valid),
        annotations=signal.annotations,
    )


@pytest.mark.parametrize("date", [None, datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC)])
def test_windows_return_to_their_place_in_time(tmp_path, case, date):
    raw = read_recording(case("bads_annot_raw.fif")).set_meas_date(date)
    signal = to_signal(raw)
    windows = _windows(signal, [0, 2], 1280)
    made = windows_to_raw(windows, windows.data, like=raw, description="repaired")
    assert (made.n_times, made.first_samp, made.info["meas_date"]) == (5118, 1000, date)
    assert made.info["description"] == "repaired"
    back, _ = load_signal(save_raw(made, tmp_path / "made_raw.fif"))
    assert np.allclose(back.data[:, :1280], signal.data[:, :1280], rtol=1e-6, atol=1e-12)
    assert np.allclose(back.data[:, 2560:3840], signal.data[:, 2560:3840], rtol=1e-6, atol=1e-12)
    assert not back.data[:, 1280:2560].any()
    assert np.allclose(back.ch_pos, signal.ch_pos, atol=1e-7)
    told = [(a.text, a.onset, a.duration) for a in back.annotations]
    assert told == [
        ("BAD_not_computed", 5.0, 5.0),
        ("BAD_move", 9.90625, 1.5),
        ("BAD_not_computed", 15.0, 1278 / 256),
        ("note", 16.40625, 1.0),
    ]


@pytest.mark.parametrize("first_samp", [0, 1, 999, 12345])
def test_another_rate_keeps_the_time_of_day(first_samp):
    """A first sample that is none at the new rate: sample 0 stays at its time, to MNE's microsecond."""
    date = datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    plain = synthetic_raw(4, sfreq=250)
    raw = mne.io.RawArray(plain.get_data(), plain.info.copy(), first_samp=first_samp, verbose="ERROR")
    raw.set_meas_date(date).set_annotations(mne.Annotations([raw.first_time + 1], [0.5], ["note"], orig_time=date))
    signal = to_signal(raw)
    windows = Windows(
        np.ones((1, 21, 768)), signal.ch_names, signal.ch_pos, 256.0, np.zeros(1), np.zeros(1, int), np.array([768]),
        annotations=signal.annotations,
    )  # fmt: skip
    made = windows_to_raw(windows, windows.data, like=raw, description="")

    def clock(found, seconds):
        return found.info["meas_date"] + datetime.timedelta(seconds=seconds)

    apart = clock(made, made.first_time) - clock(raw, raw.first_time)
    assert abs(apart) <= datetime.timedelta(microseconds=2)
    (note,) = [a for a in made.annotations if a["description"] == "note"]
    assert abs(clock(made, note["onset"]) - clock(raw, raw.first_time + 1)) <= datetime.timedelta(microseconds=2)


def test_another_rate_keeps_the_seconds(case):
    raw = read_recording(case("bads_annot_raw.fif"))
    signal = to_signal(raw)
    at_128 = Windows(
        np.ones((1, 4, 640)), signal.ch_names, signal.ch_pos, 128.0, np.array([5.0]), np.array([1]), np.array([640])
    )
    made = windows_to_raw(at_128, at_128.data, like=raw, description="")
    assert made.n_times == 2559
    assert made.first_time == raw.first_time
    assert made.get_data()[:, 640:1280].all()
    assert not made.get_data()[:, 1280:].any()


def test_a_shorter_last_window_and_no_recording_behind_it():
    signal = to_signal(synthetic_raw(seconds=3))
    windows = _windows(signal, [0, 1], 512, n_valid=[512, 256])
    made = windows_to_raw(windows, windows.data, like=None, description="")
    assert np.array_equal(made.get_data(), signal.data)
    assert len(made.annotations) == 0


def test_volts_of_another_shape_are_refused():
    windows = _windows(to_signal(synthetic_raw(seconds=4)), [0], 512)
    with pytest.raises(UsageError) as error:
        windows_to_raw(windows, windows.data[:, :3], like=None, description="")
    assert error.value.code == "bad_shape"


def test_float32_unless_another_format_is_asked_for(tmp_path):
    raw = synthetic_raw(seconds=2)
    single = mne.io.read_raw_fif(save_raw(raw, tmp_path / "a_raw.fif"), verbose="ERROR").get_data()
    double = mne.io.read_raw_fif(save_raw(raw, tmp_path / "b_raw.fif", fmt="double"), verbose="ERROR").get_data()
    assert np.array_equal(double, raw.get_data())
    assert not np.array_equal(single, double)
    assert np.allclose(single, double, rtol=1e-6, atol=0)


def test_only_the_finished_file_is_left_and_it_replaces_the_old(tmp_path):
    path = tmp_path / "plain.fif"
    path.write_text("old")
    save_raw(synthetic_raw(seconds=2), path)
    assert [p.name for p in tmp_path.iterdir()] == ["plain.fif"]
    assert load_signal(path)[0].n_times == 512


def test_parts_of_a_long_recording_find_each_other(tmp_path, monkeypatch):
    raw = synthetic_raw(seconds=240)
    save = raw.save
    monkeypatch.setattr(raw, "save", lambda *args, **rest: save(*args, split_size="2MB", buffer_size_sec=1, **rest))
    path = save_raw(raw, tmp_path / "long_raw.fif")
    assert len(list(tmp_path.iterdir())) > 1
    back = read_recording(path)
    assert np.allclose(back.get_data(), raw.get_data(), rtol=1e-6, atol=1e-12)


def test_a_failure_leaves_the_old_file_alone(tmp_path, monkeypatch):
    path = tmp_path / "x_raw.fif"
    path.write_text("old")
    raw = synthetic_raw(seconds=2)
    monkeypatch.setattr(raw, "save", lambda target, **_: (target.write_text("half"), 1 / 0))
    with pytest.raises(Exception, match="division by zero"):
        save_raw(raw, path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x_raw.fif"]


def test_a_recording_that_was_opened_can_be_saved(tmp_path, case):
    raw = read_recording(case("ok4.edf"))
    again = read_recording(save_raw(raw, tmp_path / "a_raw.fif"))
    assert again.ch_names == raw.ch_names
    assert np.allclose(again.get_data(), raw.get_data(), rtol=1e-6, atol=1e-12)


def test_a_name_that_mne_cannot_write_or_a_missing_folder_is_refused(tmp_path):
    raw = synthetic_raw(seconds=2)
    for path, code in ((tmp_path / "x.edf", "bad_suffix"), (tmp_path / "no" / "x_raw.fif", "no_folder")):
        with pytest.raises(UsageError) as error:
            save_raw(raw, path)
        assert error.value.code == code
