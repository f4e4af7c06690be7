"""FIF → CSV → FIF: nothing is lost. What is compared is MNE's view of both files."""

import json

import mne
import numpy as np
import pytest

from eegora.errors import RecordingError
from eegora.recordings.read import load_signal, read_recording
from eegora.recordings.synthetic import synthetic_raw
from eegora.recordings.table_facts import MARK
from eegora.recordings.tables_write import write_table
from eegora.recordings.write import save_raw

NAMES = ["double_raw.fif", "mixed_types_raw.fif", "gap_raw.fif", "bads_annot_raw.fif", "no_positions_raw.fif"]


def there_and_back(raw, tmp_path, suffix=".csv"):
    table = tmp_path / f"table{suffix}"
    write_table(raw, table)
    return read_recording(table), table


def same(a, b):
    assert np.array_equal(a.get_data(), b.get_data())
    assert a.ch_names == b.ch_names
    assert a.get_channel_types() == b.get_channel_types()
    assert (a.info["sfreq"], a.first_samp, a.n_times) == (b.info["sfreq"], b.first_samp, b.n_times)
    for field in ("meas_date", "bads", "highpass", "lowpass", "line_freq", "description"):
        assert a.info[field] == b.info[field], field
    places = [np.array([channel["loc"] for channel in raw.info["chs"]]) for raw in (a, b)]
    assert np.array_equal(*places, equal_nan=True)
    rows = [
        set(zip(t.onset, t.duration, t.description, t.ch_names, strict=True)) for t in (a.annotations, b.annotations)
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_a_fif_comes_back_from_a_table(case, tmp_path, name, suffix):
    original = mne.io.read_raw_fif(case(name), verbose="ERROR")
    back, _ = there_and_back(original, tmp_path, suffix)
    same(original, back)
    save_raw(back, tmp_path / name, fmt="double")
    same(original, mne.io.read_raw_fif(tmp_path / name, verbose="ERROR"))


@pytest.mark.parametrize("name", NAMES)
def test_the_signal_is_the_same(case, tmp_path, name):
    wanted, raw = load_signal(case(name))
    write_table(raw, tmp_path / "table.csv")
    found, _ = load_signal(tmp_path / "table.csv")
    assert np.array_equal(found.data, wanted.data)
    assert np.array_equal(found.ch_pos, wanted.ch_pos)
    assert (found.ch_names, found.bads, found.sfreq) == (wanted.ch_names, wanted.bads, wanted.sfreq)
    assert [a.text for a in found.annotations] == [a.text for a in wanted.annotations]
    assert np.allclose([a.onset for a in found.annotations], [a.onset for a in wanted.annotations], atol=1e-9)


@pytest.mark.parametrize("sfreq", [173.61, 256.3, 1000.0])
def test_odd_rates_and_every_digit_survive(tmp_path, sfreq):
    raw = synthetic_raw(3, 1, ch_names=["Fp1", "Cz"], sfreq=sfreq)
    raw._data *= np.random.default_rng(0).uniform(0.1, 10, raw._data.shape)
    back, _ = there_and_back(raw, tmp_path)
    assert back.info["sfreq"] == sfreq
    assert np.array_equal(back.get_data(), raw.get_data())


def test_names_with_commas_blanks_and_units_are_kept(tmp_path):
    info = mne.create_info(["EEG 001", "Fp1 [uV]", "a,b"], 100.0, ["eeg", "eeg", "misc"], verbose="ERROR")
    raw = mne.io.RawArray(1e-5 * np.random.default_rng(0).standard_normal((3, 200)), info, verbose="ERROR")
    back, _ = there_and_back(raw, tmp_path)
    same(raw, back)


def test_all_twelve_numbers_of_a_place_are_kept(tmp_path):
    raw = synthetic_raw(3, 1, ch_names=["Fp1", "Cz"], sfreq=100)
    for i, channel in enumerate(raw.info["chs"]):
        channel["loc"][:] = np.random.default_rng(i).uniform(-0.1, 0.1, 12)
    back, _ = there_and_back(raw, tmp_path)
    same(raw, back)


def test_blocks_join_without_a_seam(tmp_path, monkeypatch):
    from eegora.recordings import tables_write

    raw = synthetic_raw(4, 1, ch_names=["Fp1", "Cz"], sfreq=100)
    monkeypatch.setattr(tables_write, "BLOCK_VALUES", 100)
    back, _ = there_and_back(raw, tmp_path)
    same(raw, back)


def edit(table, change):
    lines = table.read_text().splitlines()
    facts = json.loads(lines[0][len(MARK) :])
    lines = change(lines, facts) or [MARK + json.dumps(facts), *lines[1:]]
    table.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda lines, facts: [lines[0][:-10], *lines[1:]], "bad_header"),
        (lambda lines, facts: facts["channels"].pop() and None, "bad_header"),
        (lambda lines, facts: facts["channels"][0].update(name="Fp9"), "bad_header"),
        (lambda lines, facts: facts["channels"][0].pop("loc") and None, "bad_header"),
        (lambda lines, facts: facts.update(sfreq=512), "time_order"),
        (lambda lines, facts: lines[:100] + lines[120:], "time_order"),
        (lambda lines, facts: facts["channels"][0].update(type="furlong"), "cannot_read"),
        (lambda lines, facts: facts.update(meas_date="yesterday"), "cannot_read"),
    ],
)
def test_a_table_that_was_edited_against_its_comment_is_refused(tmp_path, change, code):
    _, table = there_and_back(synthetic_raw(3, 1, ch_names=["Fp1", "Cz"], sfreq=100), tmp_path)
    edit(table, change)
    with pytest.raises(RecordingError) as error:
        load_signal(table)
    assert error.value.code == code


def test_without_its_comment_a_table_is_still_numbers(tmp_path):
    raw = synthetic_raw(3, 1, ch_names=["Fp1", "Cz"], sfreq=100)
    _, table = there_and_back(raw, tmp_path)
    edit(table, lambda lines, facts: lines[1:])
    signal, _ = load_signal(table)
    assert np.array_equal(signal.data, raw.get_data())
    assert signal.sfreq == 100
