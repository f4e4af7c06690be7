import json
import shutil
import struct
import sys

import mne
import numpy as np
import pytest
from safetensors.numpy import save_file

from eegora.errors import ChannelError, EegoraError, RecordingError, UsageError
from eegora.recordings.opening import Request
from eegora.recordings.positions import head_position
from eegora.recordings.read import array_to_signal, load_signal, read_recording, to_signal
from eegora.recordings.synthetic import synthetic_raw


def _raw(ch_names, *, sfreq=256.0, seconds=4, types="eeg", seed=0):
    data = 20e-6 * np.random.default_rng(seed).standard_normal((len(ch_names), round(seconds * sfreq)))
    return mne.io.RawArray(data, mne.create_info(list(ch_names), sfreq, types), verbose="ERROR")


def test_a_fif_keeps_first_sample_bads_and_annotations(case):
    signal, raw = load_signal(case("double_raw.fif"))
    assert (signal.sfreq, signal.n_times, raw.first_samp) == (256, 2558, 1000)
    assert signal.bads == ("Fp2",)
    assert [(a.text, a.onset) for a in signal.annotations] == [("BAD_move", 9.90625)]
    assert signal.annotations[0].duration == pytest.approx(22 / 256, abs=2e-6)
    assert not raw.preload
    assert signal.plan.counts() == {"kept": 4}


def test_annotations_count_from_the_first_sample_with_a_date_too(case):
    raw = read_recording(case("bads_annot_raw.fif"))
    plain = to_signal(raw).annotations
    dated = to_signal(raw.copy().set_meas_date(1e9)).annotations
    assert [a.onset for a in plain] == [9.90625, 16.40625]
    assert plain == dated


def test_channel_types_of_a_fif_are_believed(case):
    signal, _ = load_signal(case("mixed_types_raw.fif"))
    assert signal.ch_names == ("Fp1", "Fp2", "Cz", "Oz")
    reasons = {u.sources[0]: u.reason for u in signal.plan.uses if u.row is None}
    assert reasons == {"EOG1": "eog by its type in the file", "STI": "stim by its type in the file"}


def test_labels_decide_where_a_format_has_no_types(case):
    raw = mne.io.read_raw_edf(case("mixed_rates_annot.edf"), verbose="ERROR")
    assert to_signal(raw).ch_names == ("Fp1", "Fp2", "C3", "C4")


def test_a_gap_is_listed_once(case):
    signal, _ = load_signal(case("gap_raw.fif"))
    assert signal.gaps == ((5.0, 8.0),)


def test_a_cut_fif_keeps_what_can_be_read(case):
    signal, raw = load_signal(case("trunc_raw.fif"))
    assert (signal.n_times, raw.n_times) == (1024, 1024)
    assert "truncated_data: 1024 of 1280 samples can be read, 1 s are lost" in signal.notes
    assert not any(str(case("")) in note for note in signal.notes)


def test_epochs_are_not_continuous(case):
    with pytest.raises(RecordingError) as error:
        load_signal(case("epochs-epo.fif"))
    assert (error.value.code, error.value.exit_code) == ("not_continuous", 3)


def test_what_mne_cannot_open_is_told_with_its_words(tmp_path):
    path = tmp_path / "x_raw.fif"
    path.write_bytes(struct.pack(">iiiiiiii", 100, 31, 20, 0, 0, 20, 0, 0) + b"\0" * 40)
    with pytest.raises(RecordingError, match=r"x_raw\.fif: \w+") as error:
        load_signal(path)
    assert (error.value.code, error.value.exit_code) == ("cannot_read", 2)
    assert isinstance(error.value.__cause__, RecordingError | Exception)


@pytest.mark.parametrize("value", [0.0, -256.0, float("nan")])
def test_a_fif_with_an_impossible_rate_is_refused(tmp_path, case, value):
    content = case("no_positions_raw.fif").read_bytes()
    tag = struct.pack(">iiif", 201, 4, 4, 0)[:12]
    at = content.index(tag) + 16
    path = tmp_path / "rate_raw.fif"
    path.write_bytes(content[:at] + struct.pack(">f", value) + content[at + 4 :])
    with pytest.raises(RecordingError) as error:
        load_signal(path)
    assert (error.value.code, error.value.exit_code) == ("bad_rate", 3), str(error.value)


def test_a_missing_file_names_the_nearest(case):
    with pytest.raises(RecordingError, match=r"perhaps .*ok4\.edf") as error:
        load_signal(case("ok5.edf"))
    assert (error.value.code, error.value.exit_code) == ("not_found", 2)


@pytest.mark.parametrize("name", ["notes.txt", "notes.docx", "notes"])
def test_a_file_that_is_no_recording_is_refused(tmp_path, name):
    (tmp_path / name).write_text("dear diary")
    with pytest.raises(RecordingError) as error:
        load_signal(tmp_path / name)
    assert error.value.code == "unknown_format"
    assert error.value.exit_code == 2


def test_a_folder_is_refused_and_so_is_an_edf_that_is_none(tmp_path):
    with pytest.raises(RecordingError) as error:
        load_signal(tmp_path)
    assert error.value.code == "unknown_format"
    (tmp_path / "x.edf").write_text("not an EDF at all")
    with pytest.raises(RecordingError) as error:
        load_signal(tmp_path / "x.edf")
    assert error.value.code == "bad_header"


def test_a_fif_under_another_name_is_read(tmp_path, case):
    shutil.copy(case("no_positions_raw.fif"), tmp_path / "recording.dat")
    signal, _ = load_signal(tmp_path / "recording.dat")
    assert signal.n_times == 2560


def test_positions_come_from_the_file_then_from_the_table(case):
    own, _ = load_signal(case("double_raw.fif"))
    table, _ = load_signal(case("no_positions_raw.fif"))
    assert np.allclose(own.ch_pos, table.ch_pos, atol=1e-7)
    assert np.array_equal(table.ch_pos[0], head_position("Fp1"))
    assert "positions of 4 channels are the standard table's" in table.notes
    assert not any("positions" in note for note in own.notes)


def test_a_position_moved_in_the_file_is_believed():
    raw = synthetic_raw(seconds=2, ch_names=["Fp1", "Cz", "EEG 001"])
    raw.info["chs"][0]["loc"][:3] += 0.01
    raw.info["chs"][2]["loc"][:3] = [0.0, 0.1, 0.05]
    signal = to_signal(raw)
    assert np.allclose(signal.ch_pos[0], head_position("Fp1") + 0.01)
    assert signal.ch_names == ("Fp1", "Cz", "EEG 001")
    assert signal.plan.of("EEG 001").reason == "an electrode that the table does not know"


def test_unknown_channels_without_a_position_are_dropped():
    signal = to_signal(_raw(["Cz", "EEG 001"]))
    assert signal.ch_names == ("Cz",)
    assert signal.plan.uses[1].reason == "unknown label, no position in the file"


def test_positions_in_millimetres_are_refused():
    raw = synthetic_raw(seconds=2, ch_names=["Fp1", "Cz"])
    for channel in raw.info["chs"]:
        channel["loc"][:3] *= 1000
    with pytest.raises(ChannelError, match="divide by 1000") as error:
        to_signal(raw)
    assert error.value.code == "bad_positions"


def test_eye_electrodes_of_a_sleep_recording_are_dropped_and_a_net_is_not():
    assert to_signal(_raw(["E1", "E2", "C3"])).ch_names == ("C3",)
    net = synthetic_raw(seconds=2, ch_names=["E1", "E2", "E3", "Cz"])
    for i in range(3):
        net.info["chs"][i]["loc"][:3] = [0.0, 0.09, 0.01 * i + 0.01]
    assert to_signal(net).ch_names == ("E1", "E2", "E3", "Cz")


@pytest.mark.parametrize("montage", ["standard_1020", "colin27_1020", "standard_1005", "colin27_1005"])
def test_both_names_of_the_standard_montage_mean_the_frozen_table(case, montage):
    signal, _ = load_signal(case("ok4.edf"), montage=montage)
    assert np.array_equal(signal.ch_pos, [head_position(name) for name in signal.ch_names])


def test_a_montage_of_mne_replaces_positions(case):
    signal, raw = load_signal(case("ok4.edf"), montage="biosemi64")
    built = mne.channels.make_standard_montage("biosemi64")
    info = mne.create_info(built.ch_names, 256.0, "eeg").set_montage(built)
    wanted = {channel["ch_name"]: channel["loc"][:3] for channel in info["chs"]}
    assert np.allclose(signal.ch_pos, [wanted[name] for name in signal.ch_names])
    assert raw.get_montage() is not None
    assert not np.allclose(signal.ch_pos[0], head_position("Fp1"), atol=1e-4)


def test_a_net_gets_its_places_from_its_montage(tmp_path):
    data = 20e-6 * np.random.default_rng(0).standard_normal((33, 512))
    names = [f"E{i}" for i in range(1, 33)] + ["Cz"]
    np.savez(tmp_path / "net.npz", data=data, ch_names=names, sfreq=256, unit="V")
    assert load_signal(tmp_path / "net.npz")[0].ch_names == ("Cz",)
    signal, _ = load_signal(tmp_path / "net.npz", montage="GSN-HydroCel-32")
    assert signal.ch_names == tuple(names)
    assert np.isfinite(signal.ch_pos).all()


def test_other_formats_of_mne_are_read_by_suffix(tmp_path):
    microvolts = np.round(20 * np.random.default_rng(0).standard_normal((512, 3)) / 0.1).astype("<i2")
    (tmp_path / "a.eeg").write_bytes(microvolts.tobytes())
    (tmp_path / "a.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=a.eeg\n"
        "[Marker Infos]\nMk1=Comment,BAD_move,257,64,0\n"
    )
    (tmp_path / "a.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=a.eeg\n"
        "MarkerFile=a.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=3\nSamplingInterval=3906.25\n"
        "[Binary Infos]\nBinaryFormat=INT_16\n[Channel Infos]\nCh1=Fp1,,0.1,µV\nCh2=ECG,,0.1,µV\nCh3=Cz,,0.1,µV\n",
        encoding="utf-8",
    )
    signal, _ = load_signal(tmp_path / "a.vhdr", units="mV")
    assert (signal.ch_names, signal.sfreq, signal.n_times) == (("Fp1", "Cz"), 256, 512)
    assert np.allclose(signal.data, microvolts[:, [0, 2]].T * 1e-7)
    assert [(a.onset, a.duration) for a in signal.annotations] == [(1.0, 0.25)]
    assert "BAD_move" in signal.annotations[0].text
    assert "units given, but not used: the file states it" in signal.notes
    with pytest.raises(ChannelError, match="closest labels are Fp1"):
        load_signal(tmp_path / "a.vhdr", include=["Fp11"])


def test_an_unknown_montage_names_the_nearest(case):
    with pytest.raises(UsageError, match="biosemi64") as error:
        load_signal(case("ok4.edf"), montage="biosemi46")
    assert error.value.code == "unknown_montage"


def test_nan_in_any_format_is_refused_with_its_place(tmp_path):
    raw = _raw(["Fp1", "Cz"])
    raw._data[1, 300:302] = np.nan
    raw.save(tmp_path / "nan_raw.fif", verbose="ERROR")
    with pytest.raises(RecordingError, match=r"Cz, 1\.171875 s, 2 samples") as error:
        load_signal(tmp_path / "nan_raw.fif")
    assert (error.value.code, error.value.exit_code) == ("non_finite", 3)
    assert np.isfinite(load_signal(tmp_path / "nan_raw.fif", non_finite="interpolate")[0].data).all()


def test_all_channels_constant_is_refused():
    raw = _raw(["Fp1", "Cz"])
    raw._data[:] = 3e-6
    with pytest.raises(RecordingError) as error:
        to_signal(raw)
    assert (error.value.code, error.value.exit_code) == ("constant_data", 3)


def test_reading_leaves_the_raw_as_it_is(case):
    raw = read_recording(case("bads_annot_raw.fif"))
    names, onsets, bads = raw.ch_names.copy(), raw.annotations.onset.copy(), raw.info["bads"].copy()
    before = raw.get_data()
    signal = to_signal(raw)
    signal.data[:] = 0
    assert (raw.ch_names, raw.info["bads"]) == (names, bads)
    assert np.array_equal(raw.annotations.onset, onsets)
    assert np.array_equal(raw.get_data(), before)
    loaded = raw.copy().load_data(verbose="ERROR")
    to_signal(loaded).data[:] = 0
    assert np.array_equal(loaded.get_data(), before)


def test_some_samples_of_a_recording_are_read_as_they_are_in_all():
    raw = _raw(["Fp1", "Cz"]).set_annotations(mne.Annotations([0.5], [0.25], ["BAD_x"]))
    whole, part = to_signal(raw), to_signal(raw, start=7, stop=30)
    assert np.array_equal(part.data, whole.data[:, 7:30])
    assert (part.annotations, part.axis) == (whole.annotations, whole.axis)


def test_what_reading_found_travels_with_copies(case):
    raw = read_recording(case("trunc_data.edf")).copy()
    assert "truncated: 6 of 8 records, 2 s are lost" in to_signal(raw).notes


def test_annotations_of_single_channels_keep_their_names():
    raw = synthetic_raw(seconds=4)
    raw.set_annotations(mne.Annotations([1.0], [0.5], ["BAD_pop"], ch_names=[["EEG FP1-REF"]]))
    assert to_signal(raw).annotations[0].ch_names == ("Fp1",)


def test_an_array_is_scaled_to_volts_and_cleaned_by_label():
    data = np.random.default_rng(0).normal(0, 20, (3, 512)).astype(np.float32)
    signal = array_to_signal(data, ["Fp1", "EKG", "T7"], 128, unit="uV")
    assert signal.ch_names == ("Fp1", "T7")
    assert signal.data.dtype == np.float64
    assert np.allclose(signal.data, data[[0, 2]] * 1e-6)
    assert np.array_equal(signal.ch_pos[1], head_position("T7"))
    assert signal.plan.uses[1].reason == "ecg by its label"


@pytest.mark.parametrize(
    ("data", "names", "sfreq", "unit", "code"),
    [
        (np.zeros((2, 9)), ["Fp1"], 256, "V", "bad_shape"),
        (np.zeros(9), ["Fp1"], 256, "V", "bad_shape"),
        (np.eye(9)[:1], ["Fp1"], 0, "V", "bad_rate"),
        (np.eye(9)[:1], ["Fp1"], 256, "furlong", "bad_unit"),
        (np.eye(9)[:1], ["foo"], 256, "V", "no_channels"),
        (np.zeros((1, 9)), ["Fp1"], 256, "V", "constant_data"),
        (np.zeros((1, 0)), ["Fp1"], 256, "V", "empty_file"),
    ],
)
def test_an_array_that_cannot_be_used_is_refused(data, names, sfreq, unit, code):
    with pytest.raises(EegoraError) as error:
        array_to_signal(data, names, sfreq, unit=unit)
    assert error.value.code == code


def test_array_files_state_names_rate_and_unit(tmp_path):
    data = np.random.default_rng(0).normal(0, 20, (2, 512)).astype(np.float32)
    facts = {"ch_names": ["Fp1", "Cz"], "sfreq": 128, "unit": "uV"}
    np.savez(tmp_path / "a.npz", data=data, **facts)
    np.save(tmp_path / "b.npy", data)
    (tmp_path / "b.json").write_text(json.dumps(facts))
    metadata = {"ch_names": json.dumps(facts["ch_names"]), "sfreq": "128", "unit": "uV"}
    save_file({"data": data}, tmp_path / "c.safetensors", metadata)
    for name in ("a.npz", "b.npy", "c.safetensors"):
        signal, _ = load_signal(tmp_path / name)
        assert (signal.ch_names, signal.sfreq) == (("Fp1", "Cz"), 128)
        assert np.allclose(signal.data, data * 1e-6)


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"ch_names": ["Fp1"], "sfreq": 128, "unit": "uV"}, "bad_header"),
        ({"ch_names": ["Fp1", "Cz"], "unit": "uV"}, "needs_sfreq"),
        ({"ch_names": ["Fp1", "Cz"], "sfreq": 128}, "needs_units"),
    ],
)
def test_array_files_that_do_not_say_enough_are_refused(tmp_path, facts, code):
    np.savez(tmp_path / "a.npz", data=np.random.default_rng(0).normal(size=(2, 512)), **facts)
    with pytest.raises(RecordingError) as error:
        load_signal(tmp_path / "a.npz")
    assert (error.value.code, error.value.exit_code) == (code, 2)
    if code != "bad_header":
        assert load_signal(tmp_path / "a.npz", sfreq=128, units="uV")[0].sfreq == 128


@pytest.mark.parametrize("name", ["ok4.edf", "trunc_data.edf", "trunc_raw.fif", "dup_labels.edf", "inverted_phys.edf"])
def test_nothing_is_printed_or_warned(case, name, capfd, recwarn):
    load_signal(case(name))
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    assert len(recwarn) == 0


def test_every_message_is_one_line_with_a_next_step(case):
    bad = "empty.edf trunc_header.edf digital_range_zero.edf units_blank.edf epochs-epo.fif header_only.csv ragged.csv"
    bad += " text_cell.csv nonmonotonic.csv nan_inf.csv no_time.csv"
    for name in bad.split():
        with pytest.raises(EegoraError) as error:
            load_signal(case(name))
        assert "\n" not in str(error.value)
        assert error.value.hint
        assert name in str(error.value)


def test_every_good_file_agrees_with_mne(case):
    view = json.loads(case("mne_view.json").read_text())["files"]
    agreed = 0
    for name, seen in view.items():
        if seen.get("mne") != "ok" or name in ("digital_range_zero.edf", "units_blank.edf", "trunc_raw.fif"):
            continue
        signal, raw = load_signal(case(name))
        assert (signal.sfreq, signal.n_times, raw.first_samp) == (seen["sfreq"], seen["n_times"], seen["first_samp"])
        std = dict(zip(seen["ch_names"], seen["std_V"], strict=True))
        for use, row in ((signal.plan.of(n), signal.data[i]) for i, n in enumerate(signal.ch_names)):
            assert row.std() == pytest.approx(std[use.sources[0]], rel=1e-6, abs=1e-12)
            agreed += 1
    assert agreed > 80


def test_labels_and_positions_need_no_mne():
    code = "import eegora.recordings.read, eegora.recordings.positions, sys; sys.exit('mne' in sys.modules)"
    import subprocess

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("rename", "refused"), [({"A": "Fp2"}, True), ({"A": "Cz", "B": "Cz"}, True), ({"A": "Cz"}, False)]
)
def test_a_new_name_that_another_channel_has_is_refused(rename, refused):
    data = np.random.default_rng(0).standard_normal((3, 500)) * 20e-6
    request = Request(rename=rename, include=("A", "B"))
    if refused:
        with pytest.raises(UsageError, match=f"makes A and .* both {rename['A']}") as error:
            array_to_signal(data, ["A", "EEG Fp2-REF", "B"], 200, request=request)
        assert error.value.exit_code == 2
    else:
        assert array_to_signal(data, ["A", "EEG Fp2-REF", "B"], 200, request=request).ch_names == ("Cz", "Fp2", "B")


def test_two_channels_may_swap_their_names():
    data = np.random.default_rng(0).standard_normal((2, 500)) * 20e-6
    signal = array_to_signal(data, ["Fp1", "Fp2"], 200, request=Request(rename={"Fp1": "Fp2", "Fp2": "Fp1"}))
    assert signal.ch_names == ("Fp2", "Fp1")
    np.testing.assert_array_equal(signal.data, data)


@pytest.mark.parametrize("units", ["furlong", {"Fp1": "furlong"}])
def test_a_unit_that_is_none_is_refused_also_where_the_file_says_its_own(case, units):
    with pytest.raises(UsageError, match="'furlong' is no unit"):
        read_recording(case("double_raw.fif"), units=units)


@pytest.mark.parametrize(("labels", "says"), [(["Cz"], "of 1 channel are"), (["Cz", "Pz"], "of 2 channels are")])
def test_one_channel_is_counted_as_one(labels, says):
    data = np.random.default_rng(0).standard_normal((len(labels), 500)) * 20e-6
    assert any(f"positions {says} the standard table's" in note for note in array_to_signal(data, labels, 200).notes)
