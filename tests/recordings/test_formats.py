import pytest

from eegora.errors import RecordingError
from eegora.recordings.formats import cut_unreadable
from eegora.recordings.opening import Opened


class CutRaw:
    """Stands in for a Raw of 1000 samples whose file ends after `good` of them."""

    preload = False
    n_times = 1000

    def __init__(self, good):
        self.info = {"sfreq": 250.0, "temp": Opened()}
        self.good = good
        self.n_reads = 0
        self.tmax = None

    def get_data(self, start, stop, verbose):
        self.n_reads += 1
        if stop > self.good:
            raise ValueError("the file ends here")

    def crop(self, tmax, verbose):
        self.tmax = tmax


@pytest.mark.parametrize("good", [1, 2, 499, 500, 501, 998, 999])
def test_the_last_readable_sample_is_found_in_few_reads(good):
    raw = CutRaw(good)
    cut_unreadable(raw, "x.fif")
    assert round(raw.tmax * 250) + 1 == good
    assert raw.n_reads <= 12
    assert raw.info["temp"].notes == (
        f"truncated_data: {good} of 1000 samples can be read, {(1000 - good) / 250:g} s are lost",
    )


def test_a_whole_file_costs_one_read_and_is_left_alone():
    raw = CutRaw(1000)
    cut_unreadable(raw, "x.fif")
    assert (raw.n_reads, raw.tmax, raw.info["temp"].notes) == (1, None, ())


def test_a_file_of_which_nothing_can_be_read_is_refused():
    with pytest.raises(RecordingError, match="the file ends here") as error:
        cut_unreadable(CutRaw(0), "x.fif")
    assert error.value.code == "cannot_read"
