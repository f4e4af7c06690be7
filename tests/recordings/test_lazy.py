"""Files read in pieces: the same channels, notes, bads and refusals as files read whole."""

from __future__ import annotations

import mne
import numpy as np
import pytest

from eegora.errors import EegoraError
from eegora.recordings import lazy, read
from eegora.recordings.source import as_recording, as_signal, marked_bad, without
from eegora.recordings.synthetic import synthetic_raw
from eegora.signal import Signal
from eegora.stream import Room, Stream

EVERYTHING = Room(limit=0)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr("eegora.stream.PIECE", 2000)


def raw_of(change=lambda data: None, seconds=9):
    raw = synthetic_raw(seconds, 1, ch_names=["Fp1", "Fp2", "C3", "O1"])
    data = raw.get_data()
    change(data)
    return mne.io.RawArray(data, raw.info, verbose="ERROR")


def assert_same(stream, signal):
    assert isinstance(stream, Stream)
    head = stream.head
    for name in ("ch_names", "sfreq", "annotations", "bads", "plan", "name"):
        assert getattr(head, name) == getattr(signal, name), name
    assert sorted(head.notes) == sorted(signal.notes)
    assert stream.n_times == signal.n_times
    np.testing.assert_array_equal(head.ch_pos, signal.ch_pos)
    for start, stop in ((0, stream.n_times), (700, 1003), (stream.n_times - 1, stream.n_times)):
        np.testing.assert_array_equal(stream.read(start, stop).data, signal.data[:, start:stop])


GOOD = (
    "ok4.edf double_raw.fif mixed_rates_annot.edf flat_channel.edf inverted_phys.edf tuh_ref.edf psg_bipolar.edf bdf24.bdf"
    " gap_raw.fif bads_annot_raw.fif no_positions_raw.fif trunc_raw.fif trunc_data.edf uv.csv nrec_unknown.edf"
).split()


@pytest.mark.parametrize("name", GOOD)
def test_a_file_in_pieces_is_the_file_as_a_whole(case, name):
    stream, raw = lazy.load(case(name), EVERYTHING)
    assert_same(stream, read.load_signal(case(name))[0])
    assert raw.n_times == stream.n_times


@pytest.mark.parametrize("name", ["nan_inf.csv", "units_blank.edf", "digital_range_zero.edf", "epochs-epo.fif"])
def test_a_bad_file_is_refused_in_the_same_words(case, name):
    with pytest.raises(EegoraError) as whole:
        read.load_signal(case(name))
    with pytest.raises(EegoraError) as pieces:
        lazy.load(case(name), EVERYTHING)
    assert str(pieces.value) == str(whole.value)


def holes(data):
    data[1, 498:505] = np.nan  # across the border of two pieces
    data[1, 1200] = np.inf
    data[3, 100:900] = np.nan


def nothing_changes(data):
    data[:] = 2e-5


@pytest.mark.parametrize("policy", ["refuse", "interpolate"])
@pytest.mark.parametrize("change", [holes, nothing_changes])
def test_what_the_samples_show_is_said_in_the_same_words(policy, change):
    raw = raw_of(change)
    signal, refused = outcome(read.to_signal, raw, policy)
    stream, said = outcome(lazy.to_stream, raw, policy)
    assert said == refused
    if signal is None:
        assert refused
    else:
        assert_same(stream, signal)
        assert signal.bads == ("O1",)


def outcome(open_raw, raw, policy):
    """What comes of it, or why nothing does."""
    try:
        return open_raw(raw, non_finite=policy), ""
    except EegoraError as error:
        return None, str(error)


def test_looking_changes_nothing():
    raw = raw_of(holes)
    before = raw.get_data()
    stream = lazy.to_stream(raw, non_finite="interpolate")
    stream.read(0, stream.n_times)
    np.testing.assert_array_equal(raw.get_data(), before)


def test_channels_left_out_and_marked():
    raw = raw_of()
    signal = read.to_signal(raw)
    stream = lazy.to_stream(raw)
    assert_same(marked_bad(without(stream, ["Fp2"]), ["O1"]), marked_bad(without(signal, ["Fp2"]), ["O1"]))


def test_a_stream_as_one_signal():
    raw = raw_of(holes)
    signal = as_signal(lazy.to_stream(raw, non_finite="interpolate"))
    np.testing.assert_array_equal(signal.data, read.to_signal(raw, non_finite="interpolate").data)
    assert signal.annotations == read.to_signal(raw, non_finite="interpolate").annotations


def test_only_large_recordings_go_in_pieces(case):
    n_bytes = 8 * 4 * 2048
    assert isinstance(lazy.load(case("ok4.edf"), Room(limit=n_bytes - 1))[0], Stream)
    assert not isinstance(lazy.load(case("ok4.edf"), Room(limit=n_bytes))[0], Stream)
    assert isinstance(as_recording(raw_of(), Room()), Signal)
    large = as_recording(raw_of(), EVERYTHING)
    assert isinstance(large, Stream)
    assert large.ch_names == ("Fp1", "Fp2", "C3", "O1")
