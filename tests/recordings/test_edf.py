import numpy as np
import pytest

from eegora.errors import ChannelError, RecordingError
from eegora.recordings.edf_header import read_header
from eegora.recordings.read import load_signal, read_recording, to_signal


def _code(error):
    return error.value.code, error.value.exit_code


def test_a_good_file_has_its_channels_and_rate(case):
    signal, raw = load_signal(case("ok4.edf"))
    assert signal.ch_names == ("Fp1", "Fp2", "C3", "C4")
    assert (signal.sfreq, signal.n_times) == (256, 2048)
    assert raw.ch_names == ["EEG Fp1-REF", "EEG Fp2-REF", "EEG C3-REF", "EEG C4-REF"]
    assert not raw.preload
    assert signal.notes == ("positions of 4 channels are the standard table's",)


def test_numbers_are_those_of_the_header_formula(make_edf, signal_of, expected_wave):
    signal, _ = load_signal(make_edf(traces=[signal_of("Fp1"), signal_of("Cz")]))
    assert np.allclose(signal.data[1] * 1e6, expected_wave(4, 256, 1), atol=0.016)  # one digital step


def test_an_empty_file_is_named_so(case):
    with pytest.raises(RecordingError) as error:
        load_signal(case("empty.edf"))
    assert _code(error) == ("empty_file", 2)


def test_a_header_without_a_record_is_empty(tmp_path, case):
    path = tmp_path / "head.edf"
    path.write_bytes(case("ok4.edf").read_bytes()[:1280])
    with pytest.raises(RecordingError, match="without a whole record") as error:
        load_signal(path)
    assert _code(error) == ("empty_file", 2)


def test_a_cut_header_tells_both_sizes(case):
    with pytest.raises(RecordingError, match=r"4 signals need 1280 bytes, the file has 700") as error:
        load_signal(case("trunc_header.edf"))
    assert _code(error) == ("bad_header", 2)


@pytest.mark.parametrize(
    ("at", "text", "says"),
    [
        (184, b"999     ", "it states 999"),
        (236, b"many    ", "'many' is no number"),
        (252, b"0   ", "it states 0 signals"),
        (252, b"-1  ", "it states -1 signals"),
        (256 + 4 * 104, b"abc     ", "physical minimum of EEG Fp1-REF: 'abc'"),
        (256 + 4 * 104, b"nan     ", "'nan' is no number"),
        (256 + 4 * 216, b"0       ", "EEG Fp1-REF has 0 samples"),
    ],
)
def test_a_damaged_header_field_is_named(tmp_path, case, at, text, says):
    content = bytearray(case("ok4.edf").read_bytes())
    content[at : at + len(text)] = text
    path = tmp_path / "damaged.edf"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=says) as error:
        load_signal(path)
    assert _code(error) == ("bad_header", 2)


@pytest.mark.parametrize("record_s", ["0", "-1", "nan", "inf"])
def test_a_record_length_that_is_none_is_never_guessed(make_edf, signal_of, record_s):
    with pytest.raises(RecordingError) as error:
        load_signal(make_edf(traces=[signal_of("Cz")], record_s=record_s))
    assert _code(error) == ("bad_rate", 3)


def test_truncated_data_keep_whole_records_and_report_the_loss(case):
    signal, _ = load_signal(case("trunc_data.edf"))
    assert signal.n_times == 1536
    assert "truncated: 6 of 8 records, 2 s are lost" in signal.notes


def test_an_unknown_number_of_records_comes_from_the_size(case):
    signal, _ = load_signal(case("nrec_unknown.edf"))
    assert signal.n_times == 2048
    assert any("gives no number of records" in note for note in signal.notes)


def test_more_records_than_stated_are_read_and_reported(make_edf, signal_of):
    signal, _ = load_signal(make_edf(traces=[signal_of("Cz")], stated=2))
    assert signal.seconds == 4
    assert "the header states 2 records, the file holds 4: all were read" in signal.notes


def test_slow_channels_and_annotations_do_not_disturb_the_eeg(case):
    signal, raw = load_signal(case("mixed_rates_annot.edf"))
    assert signal.sfreq == 256
    assert len(raw.ch_names) == 4
    assert [(a.onset, a.duration, a.text) for a in signal.annotations] == [(1.5, 1.0, "BAD_move"), (6.0, 0.0, "Blink")]
    reasons = {use.sources[0]: use.reason for use in signal.plan.uses if use.row is None}
    assert reasons == {"Resp nasal": "resp by its label", "SpO2": "misc by its label"}


def test_channels_of_the_eegs_rate_that_are_not_eeg_stay_in_the_raw(make_edf, signal_of):
    flat = signal_of("ECG 2", physical=(0, 0))
    traces = [signal_of("Fp1"), signal_of("ECG"), signal_of("Mystery"), signal_of("SpO2", 8), flat, signal_of("Cz")]
    signal, raw = load_signal(make_edf(traces=traces))
    assert signal.ch_names == ("Fp1", "Cz")
    assert dict(zip(raw.ch_names, raw.get_channel_types(), strict=True)) == {
        "Fp1": "eeg",
        "ECG": "ecg",
        "Mystery": "misc",
        "Cz": "eeg",
    }
    reasons = {use.sources[0]: use.reason for use in signal.plan.uses if use.row is None}
    assert reasons["ECG"] == "ecg by its label"
    assert reasons["Mystery"] == "unknown label, no position in the file"
    raw.set_channel_types({"Cz": "misc"}, on_unit_change="ignore")  # what the user says counts
    assert to_signal(raw).ch_names == ("Fp1",)


def test_a_fast_emg_does_not_make_the_eeg_fast(make_edf, signal_of):
    signal, _ = load_signal(make_edf(traces=[signal_of("Fp1"), signal_of("EMG chin", 1024), signal_of("Cz")]))
    assert (signal.sfreq, signal.ch_names) == (256, ("Fp1", "Cz"))


def test_eeg_of_several_rates_keeps_the_commonest(make_edf, signal_of):
    traces = [signal_of("Fp1"), signal_of("Cz"), signal_of("Oz", 512)]
    signal, _ = load_signal(make_edf(traces=traces))
    assert (signal.sfreq, signal.ch_names) == (256, ("Fp1", "Cz"))
    assert "Oz: at 512 Hz, most channels at 256 Hz" in signal.notes
    tied, _ = load_signal(make_edf(traces=[signal_of("Fp1"), signal_of("Oz", 512)]))
    assert (tied.sfreq, tied.ch_names) == (512, ("Oz",))


def test_the_second_of_a_name_is_reported(case):
    signal, _ = load_signal(case("dup_labels.edf"))
    assert signal.ch_names == ("Fp1", "C3")
    dropped = [use.sources[0] for use in signal.plan.uses if use.row is None]
    assert dropped == ["EEG Fp1-REF-1", "C3"]
    assert any(note.startswith("EEG Fp1-REF-1:") for note in signal.notes)


def test_bipolar_files_keep_their_derivations(case):
    signal, _ = load_signal(case("tcp_bipolar.edf"))
    assert signal.ch_names == ("Fp1-F7", "F7-T7", "T7-P7", "P7-O1", "Fz-Cz", "T8-P8")
    assert {u.sources[0]: u.reason for u in signal.plan.uses if u.row is None} == {
        "T8-P8-1": "T8-P8 a second time, after T8-P8-0",
        "ECG": "ecg by its label",
    }
    sleep, _ = load_signal(case("psg_bipolar.edf"))
    assert sleep.ch_names == ("Fpz-Cz", "Pz-Oz")


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        ("tuh_ref.edf", {"EEG EKG1-REF", "EMG-REF", "IBI", "BURSTS", "SUPPR", "PHOTIC-REF"}),
        ("tuh_le.edf", {"EEG EKG-LE", "EEG 20-LE", "PULSE RATE", "EEG LOC-LE"}),
    ],
)
def test_tuh_files_give_their_electrodes(case, name, dropped):
    signal, _ = load_signal(case(name))
    placed = [n for n, place in zip(signal.ch_names, signal.ch_pos, strict=True) if np.isfinite(place).all()]
    assert len(placed) == 21
    assert set(signal.ch_names) - set(placed) <= {"T1", "T2"}
    assert {use.sources[0] for use in signal.plan.uses if use.row is None} == dropped


def test_dots_of_physionet_labels_do_not_count(case):
    signal, _ = load_signal(case("physionet_dots.edf"))
    assert signal.ch_names == ("FC5", "C3", "Cz", "C4", "T7", "Fp1", "Iz", "AF7")


def test_a_flat_channel_is_kept_and_reported(case):
    signal, _ = load_signal(case("flat_channel.edf"))
    assert "Fp2" in signal.ch_names
    assert "flat over the whole recording: Fp2" in signal.notes


def test_no_digital_range_is_refused_unless_others_are_chosen(case, make_edf, signal_of):
    with pytest.raises(RecordingError, match="EEG Fp1-REF") as error:
        load_signal(case("digital_range_zero.edf"))
    assert _code(error) == ("bad_calibration", 3)
    path = make_edf(traces=[signal_of("Fp1", digital=(5, 5)), signal_of("Cz"), signal_of("Oz", physical=(1, 1))])
    with pytest.raises(RecordingError, match=r"in Fp1, Oz.*channels=\['Cz'\]"):
        load_signal(path)
    signal, _ = load_signal(path, channels=["CZ"])
    assert signal.ch_names == ("Cz",)
    assert signal.plan.of("Cz").action == "kept"


def test_millivolts_are_millivolts(case):
    signal, _ = load_signal(case("units_mV.edf"))
    assert signal.data[0].std() == pytest.approx(21.9e-6, rel=0.01)


def test_a_blank_unit_must_be_told(case):
    with pytest.raises(RecordingError, match='units="uV"') as error:
        load_signal(case("units_blank.edf"))
    assert _code(error) == ("needs_units", 2)
    signal, raw = load_signal(case("units_blank.edf"), units="uV")
    assert signal.data[0].std() == pytest.approx(21.9e-6, rel=0.01)
    assert not raw.preload


@pytest.mark.parametrize("unit", [b"uV", b"\xb5V", b"\xc2\xb5V", b"UV", b"microV", b"\xce\xbcV", b"\x83\xcaV"])
def test_every_spelling_of_microvolts_is_read_as_such(make_edf, signal_of, expected_wave, unit):
    signal, _ = load_signal(make_edf(traces=[signal_of("Cz", unit=unit)]))
    assert np.allclose(signal.data[0] * 1e6, expected_wave(4, 256, 0), atol=0.016)


def test_nuls_in_a_header_do_not_count(make_edf, signal_of, expected_wave):
    traces = [signal_of(b"EEG Cz-REF".ljust(16, b"\0"), unit=b"uV".ljust(8, b"\0")), signal_of("Oz")]
    signal, _ = load_signal(make_edf(traces=traces))
    assert signal.ch_names == ("Cz", "Oz")
    assert np.allclose(signal.data[0] * 1e6, expected_wave(4, 256, 0), atol=0.016)


def test_a_label_that_occurs_twice_can_be_named(make_edf, signal_of):
    path = make_edf(traces=[signal_of("Cz"), signal_of("Cz"), signal_of("Oz", unit="")])
    signal, _ = load_signal(path, include=["Cz"], channels=["Cz"])
    assert signal.ch_names == ("Cz",)
    blank = make_edf(traces=[signal_of("Cz", unit=""), signal_of("Cz", unit="")])
    assert load_signal(blank, units="mV")[0].data.std() > 15e-3


def test_nanovolts_are_nanovolts(make_edf, signal_of, expected_wave):
    signal, _ = load_signal(make_edf(traces=[signal_of("Cz", unit="nV")]))
    assert np.allclose(signal.data[0] * 1e9, expected_wave(4, 256, 0), atol=0.016)
    assert any("multiplied" in note for note in signal.notes)
    assert any(note.startswith("unit?") for note in signal.notes)


def test_an_unknown_unit_of_a_wanted_channel_must_be_told(make_edf, signal_of, expected_wave):
    path = make_edf(traces=[signal_of("Cz", unit="%"), signal_of("SpO2", unit="%")])
    with pytest.raises(RecordingError, match=r"Cz \(%\)") as error:
        load_signal(path)
    assert _code(error) == ("needs_units", 2)
    signal, _ = load_signal(path, units={"Cz": "uV"})
    assert np.allclose(signal.data[0] * 1e6, expected_wave(4, 256, 0), atol=0.016)


def test_a_wrong_unit_can_be_overridden(make_edf, signal_of, expected_wave):
    path = make_edf(traces=[signal_of("Cz", unit="V")])
    assert any(note.startswith("unit?") for note in load_signal(path)[0].notes)
    signal, _ = load_signal(path, units="uV")
    assert np.allclose(signal.data[0] * 1e6, expected_wave(4, 256, 0), atol=0.016)


def test_an_inverted_physical_range_gives_the_same_numbers(case):
    upright, inverted = (load_signal(case(name))[0] for name in ("ok4.edf", "inverted_phys.edf"))
    assert np.allclose(upright.data, inverted.data, atol=2e-8)
    assert any("physical minimum above maximum" in note for note in inverted.notes)


def test_bdf_has_its_electrodes_and_its_triggers(case):
    signal, raw = load_signal(case("bdf24.bdf"))
    assert signal.ch_names == ("Fp1", "Cz", "Oz")
    assert "Status" in raw.ch_names
    reasons = {use.sources[0]: use.reason for use in signal.plan.uses if use.row is None}
    assert reasons == {"Status": "stim by its label", "EXG1": "misc by its label"}


@pytest.mark.parametrize(("source", "name"), [("ok4.edf", "x.bdf"), ("ok4.edf", "x.rec"), ("bdf24.bdf", "x.edf")])
def test_content_beats_the_suffix(tmp_path, case, source, name):
    renamed = tmp_path / name
    renamed.write_bytes(case(source).read_bytes())
    right, wrong = load_signal(case(source))[0], load_signal(renamed)[0]
    assert right.ch_names == wrong.ch_names
    assert np.array_equal(right.data, wrong.data)


def test_an_unknown_label_comes_in_only_by_name(make_edf, signal_of):
    path = make_edf(traces=[signal_of("Cz"), signal_of("EEG 20-REF")])
    assert load_signal(path)[0].ch_names == ("Cz",)
    signal, _ = load_signal(path, include=["EEG 20-REF"])
    assert signal.ch_names == ("Cz", "EEG 20-REF")
    with pytest.raises(ChannelError, match="EEG 20-REF") as error:
        load_signal(path, include=["EEG 21-REF"])
    assert error.value.code == "no_channels"


def test_no_eeg_at_all_lists_what_there_is(make_edf, signal_of):
    with pytest.raises(ChannelError, match="found ECG, foo") as error:
        read_recording(make_edf(traces=[signal_of("ECG"), signal_of("foo")]))
    assert _code(error) == ("no_channels", 3)


def _tals(onsets, **texts):
    tals = [b"+%g\x14\x14\x00" % onset for onset in onsets]
    for record, (onset, duration, text) in texts.items():
        tals[int(record[1:])] += b"+%g\x15%g\x14%s\x14\x00" % (onset, duration, text)
    return tals


@pytest.mark.parametrize("bdf", [False, True])
def test_gaps_that_mne_closes_come_back_as_zeros(make_edf, signal_of, expected_wave, bdf):
    tals = _tals([10, 11, 15, 16], r2=(15.5, 0.25, b"Blink"))
    kind = "BDF+D" if bdf else "EDF+D"
    path = make_edf("gap.bdf" if bdf else "gap.edf", traces=[signal_of("Cz")], reserved=kind, tals=tals, bdf=bdf)
    signal, _ = load_signal(path)
    assert signal.seconds == 7
    assert signal.gaps == ((2.0, 5.0),)
    assert not signal.data[0, 512:1280].any()
    wanted = expected_wave(4, 256, 0)
    assert np.allclose(signal.data[0, :512] * 1e6, wanted[:512], atol=0.016)
    assert np.allclose(signal.data[0, 1280:] * 1e6, wanted[512:], atol=0.016)
    assert [(a.onset, a.duration, a.text) for a in signal.annotations] == [
        (2.0, 3.0, "BAD_ACQ_SKIP"),
        (5.5, 0.25, "Blink"),
    ]
    assert "gaps filled with zeros: 1, 3 s together" in signal.notes


def test_records_behind_a_gap_of_half_a_sample_follow_each_other(make_edf, signal_of):
    tals = _tals([0, 5.004, 6.004, 7.004])  # 625.5, 750.5 and 875.5 samples
    signal, _ = load_signal(make_edf(traces=[signal_of("Cz", n_samples=125)], reserved="EDF+D", tals=tals))
    assert len(signal.gaps) == 1
    assert signal.n_times == 626 + 3 * 125


def test_records_in_a_row_are_continuous_whatever_the_header_says(make_edf, signal_of):
    path = make_edf(traces=[signal_of("Cz")], reserved="EDF+D", tals=_tals([0, 1, 2, 3]))
    signal, raw = load_signal(path)
    assert (signal.seconds, signal.gaps) == (4, ())
    assert not raw.preload


@pytest.mark.parametrize("onsets", [[0, 1, 2, 100], [0, 1, 0.5, 3]])
def test_gaps_too_long_or_records_that_overlap_are_refused(make_edf, signal_of, onsets):
    with pytest.raises(RecordingError) as error:
        load_signal(make_edf(traces=[signal_of("Cz")], reserved="EDF+D", tals=_tals(onsets)))
    assert _code(error) == ("discontinuous", 3)


def test_gaps_without_times_are_a_bad_header(make_edf, signal_of):
    with pytest.raises(RecordingError, match="record 1 has no time"):
        load_signal(make_edf(traces=[signal_of("Cz")], reserved="EDF+D"))


def test_the_header_counts_bytes_and_records(case):
    header = read_header(case("ok4.edf"))
    assert (header.n_bytes, header.record_bytes, header.n_records, header.n_rest) == (1280, 2048, 8, 0)
