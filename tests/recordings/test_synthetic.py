import numpy as np

from eegora.recordings.positions import head_position
from eegora.recordings.read import to_signal
from eegora.recordings.synthetic import TUH_NAMES, synthetic_raw


def _power(row, sfreq, low, high):
    spectrum = np.abs(np.fft.rfft(row)) ** 2
    frequencies = np.fft.rfftfreq(len(row), 1 / sfreq)
    return spectrum[(frequencies >= low) & (frequencies < high)].mean()


def test_the_default_has_21_tuh_electrodes_with_positions():
    raw = synthetic_raw(seconds=4)
    assert raw.ch_names == list(TUH_NAMES)
    assert (len(raw.ch_names), raw.n_times, raw.info["sfreq"]) == (21, 1024, 256)
    signal = to_signal(raw)
    assert np.array_equal(signal.ch_pos, [head_position(name) for name in signal.ch_names])
    assert raw.get_montage() is not None
    assert signal.notes == ()


def test_a_seed_makes_the_same_numbers():
    a, b, c = (synthetic_raw(seconds=4, seed=seed).get_data() for seed in (1, 1, 2))
    assert np.array_equal(a, b)
    assert not np.allclose(a, c)


def test_it_looks_like_eeg():
    raw = synthetic_raw(seconds=60)
    data = dict(zip(to_signal(raw).ch_names, raw.get_data(), strict=True))
    stds = np.array([row.std() for row in data.values()])
    assert np.all((stds > 8e-6) & (stds < 50e-6))
    assert _power(data["O1"], 256, 9, 11) > 3 * _power(data["O1"], 256, 5, 7)
    assert _power(data["O1"], 256, 9.5, 10.5) > 3 * _power(data["Fp1"], 256, 9.5, 10.5)
    assert _power(data["Cz"], 256, 2, 4) > 3 * _power(data["Cz"], 256, 20, 40)
    assert _power(data["Cz"], 256, 59.9, 60.1) > 10 * _power(data["Cz"], 256, 55, 58)
    assert data["Fp1"].max() > 60e-6 > data["Pz"].max()


def test_neighbours_are_more_alike_than_strangers():
    raw = synthetic_raw(seconds=60)
    together = np.corrcoef(raw.get_data())
    index = {name: i for i, name in enumerate(to_signal(raw).ch_names)}
    assert together[index["C3"], index["P3"]] > together[index["C3"], index["F8"]]


def test_names_rate_and_line_can_be_chosen():
    raw = synthetic_raw(seconds=4, ch_names=["Fp1-F7", "foo"], sfreq=100, line_freq=50)
    signal = to_signal(raw)
    assert signal.ch_names == ("Fp1-F7",)
    assert np.array_equal(signal.ch_pos[0], head_position("Fp1-F7"))
    assert (signal.sfreq, signal.n_times) == (100, 400)
