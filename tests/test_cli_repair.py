"""Repairing and upsampling from the command line, with a tiny checkpoint: what was not filled stays, to the bit."""

import json
from pathlib import Path

import mne
import numpy as np
import pytest
from safetensors.numpy import save_file

from eegora.checkpoints.synthetic import read_manifest, synthetic_state_dict
from eegora.cli.main import main
from eegora.recordings.synthetic import synthetic_raw
from eegora.recordings.write import save_raw

MANIFEST = Path(__file__).parent / "models" / "zuna" / "vectors" / "zuna-tiny.json"
NAMES = "Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8".split()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A recording at 200 Hz with a bad channel, an annotation and a date; a tiny checkpoint with its configuration."""
    folder = tmp_path_factory.mktemp("repair")
    raw = synthetic_raw(20, 0, ch_names=NAMES, sfreq=200)
    raw.info["bads"] = ["O2"]
    raw.set_meas_date(1_500_000_000)
    raw.set_annotations(mne.Annotations([3.0, 8.0], [0.5, 1.0], ["blink", "BAD_move"], orig_time=raw.info["meas_date"]))
    save_raw(raw, folder / "rec_raw.fif")
    manifest = read_manifest(MANIFEST)
    save_file(synthetic_state_dict(manifest), folder / "tiny.safetensors")
    (folder / "tiny.json").write_text(json.dumps(manifest.config))
    return folder


def run(desk, command, out, *options):
    path = desk / "rec_raw.fif"
    model = ("--model", "zuna", "--checkpoint", desk / "tiny.safetensors", "--config", desk / "tiny.json")
    return main([str(a) for a in (command, path, *model, "-o", out, "--steps", 2, *options)])


def read(path):
    return mne.io.read_raw_fif(path, verbose="ERROR", preload=True)


def test_only_bad_cells_change(desk, tmp_path):
    out = tmp_path / "repaired_raw.fif"
    assert run(desk, "repair", out, "--bads", "F7", "--span", "12:13:Fp1") == 0
    old, new = read(desk / "rec_raw.fif"), read(out)
    assert (new.n_times, new.info["sfreq"], new.ch_names) == (old.n_times, 200.0, old.ch_names)
    assert new.info["bads"] == []
    changed = old.get_data() != new.get_data()
    share = dict(zip(NAMES, changed.mean(axis=1), strict=True))
    assert share["O2"] == share["F7"] == 1
    # BAD_move lasts 1 s of 20; tokens of 0.125 s reach a little beyond it. Fp1 has a second of its own.
    assert 0.05 <= share["C3"] <= 0.07
    assert 0.1 <= share["Fp1"] <= 0.13
    texts = list(new.annotations.description)
    assert {"blink", "BAD_move"} < set(texts)
    filled = [(a["ch_names"], a["onset"] - new.first_time) for a in new.annotations if "infilled" in a["description"]]
    assert (("O2", "F7"), 0.0) in [(names, round(onset, 6)) for names, onset in filled]
    assert "not measured" in new.info["description"]


def test_the_same_seed_gives_the_same_repair_and_another_does_not(desk, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert run(desk, "repair", tmp_path / f"{name}_raw.fif", "--noise-seed", seed) == 0
    a, b, c = (read(tmp_path / f"{name}_raw.fif").get_data() for name in "abc")
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_a_long_window_tells_its_steps_where_no_bar_can_move(desk, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("eegora.cli.session.LOG_EVERY_S", 0.0)
    assert run(desk, "repair", tmp_path / "told_raw.fif", "--batch-size", 1) == 0
    err = capsys.readouterr().err
    steps = "repairing: step 1 of 2\nrepairing: step 2 of 2\nrepairing: 1 of 4 windows\n"
    assert f"{steps}repairing: 1 of 4 windows, step 1 of 2\n" in err
    assert run(desk, "repair", tmp_path / "quiet_raw.fif", "--quiet") == 0
    assert "step" not in capsys.readouterr().err


def test_the_models_version_is_at_its_own_rate(desk, tmp_path):
    out = tmp_path / "filtered_raw.fif"
    mask = tmp_path / "rec_mask.npz"
    assert run(desk, "repair", out, "--filtered", "--save-mask", mask) == 0
    assert read(out).info["sfreq"] == 256
    with np.load(mask) as saved:
        assert saved["mask"][NAMES.index("O2")].all()


def test_electrodes_are_added_with_their_places(desk, tmp_path):
    out = tmp_path / "up_raw.fif"
    assert run(desk, "upsample", out, "--channels", "AF3,Pz") == 0
    old, new = read(desk / "rec_raw.fif"), read(out)
    assert new.ch_names == [*old.ch_names, "AF3", "Pz"]
    assert np.isfinite(new.get_montage().get_positions()["ch_pos"]["Pz"]).all()
    assert new.get_data(picks=["Pz"]).std() > 0
    good = [name for name in NAMES if name != "O2"]
    start, stop = 0, 1000
    assert np.array_equal(old.get_data(good, start, stop), new.get_data(good, start, stop))


def test_upsample_says_what_it_fills_besides(desk, tmp_path, capfd):
    assert run(desk, "upsample", tmp_path / "up_raw.fif", "--channels", "AF3,Pz") == 0
    told = capfd.readouterr().out
    assert "2 channels added; filled besides: O2 throughout, all channels 8-9 s" in told
    assert run(desk, "upsample", tmp_path / "without_raw.fif", "--channels", "AF3,Pz", "--no-annotations") == 0
    assert capfd.readouterr().out.endswith("2 channels added; filled besides: O2 throughout; UNTRAINED\n")
    old, new = read(desk / "rec_raw.fif"), read(tmp_path / "without_raw.fif")
    good = [name for name in NAMES if name != "O2"]
    assert np.array_equal(old.get_data(good), new.get_data(good))
    assert main(["upsample", "--help"]) == 0
    assert "fill its bad channels" in " ".join(capfd.readouterr().out.split())


def test_an_electrode_that_is_there_is_not_added_and_said_so(desk, tmp_path, capfd):
    assert run(desk, "upsample", tmp_path / "up_raw.fif", "--channels", "AF3,fp1,Cz,C3", "--no-annotations") == 0
    said = capfd.readouterr()
    assert "note: not added, for they are in the recording: fp1, C3; --bads fills a channel that is there\n" in said.err
    assert "2 channels added; filled besides: O2" in said.out
    assert read(tmp_path / "up_raw.fif").ch_names == [*NAMES, "AF3", "Cz"]
    assert run(desk, "upsample", tmp_path / "one_raw.fif", "--channels", "AF3") == 0
    said = capfd.readouterr()
    assert "1 channel added;" in said.out
    assert "not added" not in said.err


@pytest.mark.parametrize(
    ("spans", "told"),
    [
        (("6:7",), "1 stretch filled: all channels 6-7 s"),
        (("6:7", "9:10:Fp1"), "2 stretches filled: all channels 6-7 s, Fp1 9-10 s"),
    ],
)
def test_stretches_are_counted_and_named(desk, tmp_path, capfd, spans, told):
    raw = synthetic_raw(20, 0, ch_names=NAMES, sfreq=200)
    assert repaired(desk, tmp_path, raw, *(word for span in spans for word in ("--span", span))) == 0
    assert f": {told}; UNTRAINED\n" in capfd.readouterr().out


def test_an_electrode_is_not_added_under_its_other_name(desk, tmp_path, capfd):
    raw = synthetic_raw(20, 0, ch_names=[*NAMES[:-1], "T3"], sfreq=200)
    save_raw(raw, tmp_path / "t3_raw.fif")
    model = ("--model", "zuna", "--checkpoint", desk / "tiny.safetensors", "--config", desk / "tiny.json", "--steps", 2)
    out = tmp_path / "out_raw.fif"
    words = ("upsample", tmp_path / "t3_raw.fif", *model, "--channels", "AF3,T7", "-o", out)
    assert main([str(word) for word in words]) == 2
    assert "T7 is there as T3" in capfd.readouterr().err
    assert not out.exists()


def test_channels_are_named_as_the_file_spells_them(desk, tmp_path):
    out = tmp_path / "own_raw.fif"
    path, own = case(desk, "tuh_ref.edf", out, "--bads", "EEG T3-REF", "--span", "1:1.5:EEG F3-REF")
    _, plain = case(desk, "tuh_ref.edf", tmp_path / "plain_raw.fif", "--bads", "T7", "--span", "1:1.5:f3")
    assert np.array_equal(own.get_data(), plain.get_data())
    old = mne.io.read_raw_edf(path, verbose="ERROR")
    changed = [n for n in own.ch_names if not np.array_equal(old.get_data([n]), own.get_data([n]))]
    assert set(changed) == {"EEG T3-REF", "EEG F3-REF"}


@pytest.mark.parametrize("command", [("repair",), ("upsample", "--channels", "Fp1")])
def test_nothing_to_do_gives_a_copy_and_says_so(desk, tmp_path, capfd, command):
    raw = synthetic_raw(20, 0, ch_names=NAMES, sfreq=200)
    save_raw(raw, tmp_path / "clean_raw.fif")
    model = ("--model", "zuna", "--checkpoint", desk / "tiny.safetensors", "--config", desk / "tiny.json")
    words = (command[0], tmp_path / "clean_raw.fif", *model, *command[1:], "-o", tmp_path / "out_raw.fif")
    assert main([str(word) for word in words]) == 0
    said = capfd.readouterr()
    words = "nothing was bad" if command == ("repair",) else "nothing was bad, and nothing was added"
    assert said.out.endswith(f"raw.fif: {words}: the file is a copy; UNTRAINED\n")
    assert "imputed" not in said.err
    old, new = read(tmp_path / "clean_raw.fif"), read(tmp_path / "out_raw.fif")
    assert np.array_equal(old.get_data(), new.get_data())
    assert new.info["description"] == old.info["description"]


def test_a_span_beyond_the_end_is_cut_and_said_so(desk, tmp_path, capfd):
    assert run(desk, "repair", tmp_path / "cut_raw.fif", "--span", "19:30:Fp1") == 0
    assert "note: span 19:30 was cut to 19-20 s, where the recording ends" in capfd.readouterr().err


def test_a_montage_names_the_electrodes_to_add(desk, tmp_path):
    assert run(desk, "upsample", tmp_path / "up_raw.fif", "--montage", "10-20") == 0
    added = read(tmp_path / "up_raw.fif").ch_names[len(NAMES) :]
    assert set(added) == {"Fz", "Cz", "Pz", "T7", "T8", "P7", "P8"}


def test_several_draws_leave_their_deviation_beside_the_mean(desk, tmp_path, capfd):
    out, band = tmp_path / "rep_raw.fif", tmp_path / "rep_sd_raw.fif"
    assert run(desk, "repair", out, "--draws", 3, "--json") == 0
    said = capfd.readouterr()
    record = json.loads(said.out)
    assert record["standard_deviation"] == str(band)
    assert record["notes"]
    assert "3 times each" in said.err
    one, two = read(out), read(band)
    assert (one.n_times, one.info["sfreq"], one.first_samp) == (two.n_times, two.info["sfreq"], two.first_samp)
    assert two.ch_names == one.ch_names
    assert "mean of 3 draws" in one.info["description"]
    assert two.info["description"].startswith("standard deviation")
    assert list(one.annotations.description) == list(two.annotations.description)
    values = two.get_data()
    assert (values[NAMES.index("O2")] > 0).all()
    assert (values[NAMES.index("Fp1")] == 0).mean() > 0.9
    assert run(desk, "repair", tmp_path / "rep2_raw.fif", "--draws", 3, "--filtered") == 0
    filtered = read(tmp_path / "rep2_sd_raw.fif")
    assert filtered.info["sfreq"] == 256
    assert (filtered.get_data()[NAMES.index("Fp1")] == 0).mean() > 0.9
    out.unlink()
    assert run(desk, "repair", out, "--draws", 3) == 2  # the deviation of before is not replaced
    assert "rep_sd_raw.fif" in capfd.readouterr().err


def repaired(desk, folder, raw, *words):
    """Save a recording and repair it."""
    save_raw(raw, folder / "rec_raw.fif")
    model = ("--model", "zuna", "--checkpoint", desk / "tiny.safetensors", "--config", desk / "tiny.json")
    given = ("repair", folder / "rec_raw.fif", *model, "--steps", 2, *words, "-o", folder / "out_raw.fif")
    return main([str(word) for word in given])


@pytest.mark.parametrize("lost", [False, True])
def test_twelve_channels_a_minute_two_bads(desk, tmp_path, lost, capfd):
    """End to end, re-read with MNE: length, rate, names and annotations are kept, what is good stays to the bit."""
    raw = synthetic_raw(60, 1, ch_names=NAMES, sfreq=500)
    raw.info["bads"] = ["C3"]
    raw.set_annotations(mne.Annotations([3.0, 8.0], [0.5, 1.0], ["blink", "hum"]))
    if lost:  # an electrode of a made-up name has no place: it is left out of the work, and stays
        raw.rename_channels({"F8": "Q9"})
        raw.info["chs"][NAMES.index("F8")]["loc"][:3] = np.nan
    assert repaired(desk, tmp_path, raw, "--bads", "O2") == 0
    assert "repairing 12 of 12 windows" in capfd.readouterr().err
    old, new = read(tmp_path / "rec_raw.fif"), read(tmp_path / "out_raw.fif")
    assert (new.n_times, new.info["sfreq"], new.ch_names) == (old.n_times, 500.0, old.ch_names)
    assert new.info["bads"] == []
    good = [name for name in old.ch_names if name not in ("C3", "O2")]
    assert np.array_equal(old.get_data(good), new.get_data(good))
    assert (old.get_data(["C3", "O2"]) != new.get_data(["C3", "O2"])).mean() > 0.999
    texts = list(new.annotations.description)
    assert texts.count("blink") == texts.count("hum") == 1
    (filled,) = [a for a in new.annotations if a["description"] not in ("blink", "hum")]
    assert (filled["ch_names"], filled["onset"]) == (("C3", "O2"), 0.0)
    assert filled["duration"] == pytest.approx(60, abs=0.01)


def test_one_bad_second_means_one_window(desk, tmp_path, capfd):
    assert repaired(desk, tmp_path, synthetic_raw(20, 0, ch_names=NAMES, sfreq=200), "--span", "6:7") == 0
    assert "repairing 1 of 4 windows (3 have nothing to fill)" in capfd.readouterr().err


def test_missing_samples_are_filled(desk, tmp_path):
    raw = synthetic_raw(20, 0, ch_names=NAMES, sfreq=200)
    raw._data[4, 1000:1100] = np.nan
    assert repaired(desk, tmp_path, raw) == 0
    old, new = (read(tmp_path / f"{name}_raw.fif").get_data() for name in ("rec", "out"))
    assert np.isfinite(new).all()
    there = np.isfinite(old)
    assert (old[there] == new[there]).mean() > 0.99
    assert np.array_equal(np.delete(old, 4, axis=0), np.delete(new, 4, axis=0))


def test_an_acquisition_gap_is_neither_filled_nor_annotated_as_filled(desk, tmp_path, capfd):
    path = Path(__file__).parent / "data" / "recordings" / "cases" / "gap_raw.fif"  # nothing was recorded from 5 to 8 s
    model = ("--model", "zuna", "--checkpoint", desk / "tiny.safetensors", "--config", desk / "tiny.json", "--steps", 2)
    out = tmp_path / "out_raw.fif"
    words = ("repair", path, *model, "--span", "1:1.5", "--bads", "Cz", "-o", out)
    assert main([str(word) for word in words]) == 0
    old, new = read(path), read(out)
    filled = [(a["onset"], a["onset"] + a["duration"]) for a in new.annotations if "infilled" in a["description"]]
    assert filled == [(0.0, 5.0), (1.0, 1.5), (8.0, 20.0)]
    before, after = (
        [(a["onset"], a["duration"]) for a in raw.annotations if a["description"] == "BAD_ACQ_SKIP"]
        for raw in (old, new)
    )
    assert before == after
    changed = old.get_data() != new.get_data()
    assert not changed[:, 5 * 256 : 8 * 256].any()
    assert changed[old.ch_names.index("Cz"), 8 * 256 :].all()
    assert new.info["bads"] == []
    capfd.readouterr()
    assert main([str(word) for word in (*words[:-6], "--span", "5:7", "-o", tmp_path / "none_raw.fif", "--json")]) == 0
    assert json.loads(capfd.readouterr().out)["filled"] == []


def case(desk, name, out, *words):
    """Repair one of the small files."""
    path = Path(__file__).parent / "data" / "recordings" / "cases" / name
    model = ("--model", "zuna", "--checkpoint", desk / "tiny.safetensors", "--config", desk / "tiny.json", "--steps", 2)
    assert main([str(word) for word in ("repair", path, *model, *words, "-o", out)]) == 0
    return path, read(out)


def test_channels_that_are_not_eeg_come_back_with_their_types(desk, tmp_path, capfd):
    path, new = case(desk, "tuh_ref.edf", tmp_path / "out_raw.fif", "--bads", "F3", "--json")
    types = {"EEG EKG1-REF": "ecg", "EMG-REF": "emg"} | dict.fromkeys(("IBI", "BURSTS", "SUPPR", "PHOTIC-REF"), "misc")
    assert dict(zip(new.ch_names, new.get_channel_types(), strict=True)).items() >= types.items()
    old = mne.io.read_raw_edf(path, verbose="ERROR")
    assert set(old.ch_names) == set(new.ch_names)
    assert np.array_equal(old.get_data(list(types)), new.get_data(list(types)))
    assert json.loads(capfd.readouterr().out)["left_out"] == []


def test_channels_of_another_rate_are_named(desk, tmp_path, capfd):
    _, new = case(desk, "mixed_rates_annot.edf", tmp_path / "out_raw.fif")
    told = "left out of what is written, for another rate or no calibration: Resp nasal, SpO2"
    assert f"note: {told}\n" in capfd.readouterr().err
    assert told in new.info["description"]


@pytest.mark.parametrize(
    ("names", "seconds", "words"),
    [(NAMES[:1], 20, "wanted 3 or more"), (NAMES, 0.1, "wanted 0.125 s or more")],
)
def test_recordings_that_cannot_be_repaired_are_answered_in_one_line(desk, tmp_path, capfd, names, seconds, words):
    assert repaired(desk, tmp_path, synthetic_raw(seconds, 0, ch_names=names, sfreq=256), "--span", "0:0.1") == 3
    lines = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1
    assert words in lines[0]


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [
        ("repair", ("--bads", "Q9"), "Q9"),
        ("repair", ("--span", "5"), "START:STOP"),
        ("repair", ("--span", "9:7"), "start before stop"),
        ("repair", ("--span", "a:b"), "START:STOP"),
        ("repair", ("--span", "1:2:3:4"), "START:STOP"),
        ("repair", ("--span", "1:2:Q9"), "Q9"),
        ("repair", ("--span", "nan:2"), "start before stop"),
        ("repair", ("--span", "100:120"), "20 s"),
        ("upsample", ("--montage", "10-11"), "10-10"),
        ("upsample", ("--to", "20", "--montage", "10-10"), "--montage"),
        ("repair", ("--mask", "gone.npz"), "gone.npz"),
        ("repair", ("--bads", ",".join(NAMES)), "bad"),
        ("upsample", (), "--to"),
        ("upsample", ("--channels", "XX7"), "XX7"),
    ],
)
def test_a_mistake_is_answered_in_one_line(desk, tmp_path, capfd, command, options, words):
    assert run(desk, command, tmp_path / "never_raw.fif", *options) in (2, 3)
    lines = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1
    assert words in lines[0]
    assert not list(tmp_path.iterdir())


def test_a_model_without_the_verb_names_those_that_have_it(desk, tmp_path, capfd):
    path = desk / "rec_raw.fif"
    assert main(["repair", str(path), "--model", "luna-base", "--untrained", "-o", str(tmp_path / "r_raw.fif")]) == 2
    assert "zuna" in capfd.readouterr().err


def test_what_is_held_as_a_whole_is_said_and_refused_where_it_does_not_fit(desk, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("eegora.recordings.fits.LIMIT", 1000)
    monkeypatch.setattr("eegora.cli.session.LIMIT", 1000)
    monkeypatch.setattr("eegora.recordings.fits.free_memory", lambda: 10**9)
    assert run(desk, "repair", tmp_path / "out_raw.fif") == 0
    assert "note: held as a whole: 0.000" in capsys.readouterr().err
    n_bytes = 8 * len(NAMES) * 20 * 200
    monkeypatch.setattr("eegora.recordings.fits.free_memory", lambda: 4 * n_bytes - 1)
    assert run(desk, "repair", tmp_path / "no_raw.fif") == 3
    assert "are free. Next: cut it into parts" in capsys.readouterr().err
    assert not (tmp_path / "no_raw.fif").exists()
