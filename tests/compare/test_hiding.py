from itertools import pairwise

import numpy as np
import pytest

from eegora.compare.hiding import Wish, runs_of
from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.recordings.positions import head_position

NAMES = tuple("Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 Fz Cz Pz".split())
PLACES = np.array([head_position(name) for name in NAMES])


def shared(wish, names=NAMES, seconds=60.0, taken=()):
    return runs_of(wish, names, PLACES[: len(names)], seconds, taken)


def test_every_good_channel_is_hidden_once_in_few_runs():
    found = shared(Wish(runs=5))
    assert len(found) == 5
    assert sorted(item.label for run in found for item in run) == sorted(NAMES)
    assert {len(run) for run in found} == {3, 4}
    assert all(item.throughout and (item.start, item.stop) == (0.0, 60.0) for run in found for item in run)


def test_channels_of_one_run_lie_far_apart():
    def nearest(runs):
        place = dict(zip(NAMES, PLACES, strict=True))
        pairs = [(a.label, b.label) for run in runs for a in run for b in run if a.label < b.label]
        return np.mean([np.linalg.norm(place[a] - place[b]) for a, b in pairs])

    everywhere = np.linalg.norm(PLACES[:, None] - PLACES[None], axis=-1).sum() / (19 * 18)
    assert nearest(shared(Wish(runs=5))) > everywhere


def test_the_seed_chooses_and_the_same_seed_chooses_the_same():
    wish = Wish(channels=5, regions=1, spans=3, gaps=1)
    assert shared(wish) == shared(wish)
    others = [shared(Wish(channels=5, regions=1, spans=3, gaps=1, seed=s)) for s in (1, 2, 3)]
    assert all(other != shared(wish) for other in others)


def test_named_channels_and_a_number_of_them():
    assert {i.label for run in shared(Wish(channels=("Cz", "O1"))) for i in run} == {"Cz", "O1"}
    assert len({i.label for run in shared(Wish(channels=7, runs=2)) for i in run}) == 7
    assert Wish(channels="Cz") == Wish(channels=("Cz",))


def test_all_channels_beside_other_kinds():
    found = shared(Wish(channels="all", spans=2, gaps=1))
    assert len(found) == 8
    assert sorted(i.label for run in found for i in run if i.kind == "channel") == sorted(NAMES)
    assert {i.kind for run in shared(Wish(spans=2)) for i in run} == {"span"}


def test_a_region_is_an_electrode_and_its_neighbours():
    found = shared(Wish(regions=3))
    assert [len(run) for run in found] == [1, 1, 1]
    place = dict(zip(NAMES, PLACES, strict=True))
    for (region,) in found:
        centre = region.label.removeprefix("around ")
        order = sorted(NAMES, key=lambda n, c=centre: np.linalg.norm(place[n] - place[c]))
        assert region.ch_names == tuple(order[:4])
        assert region.throughout
    assert len({run[0].label for run in found}) == 3


def test_stretches_keep_apart_and_away_from_what_is_bad():
    (spans, gaps) = shared(Wish(spans=6, gaps=3, span_seconds=2.0), taken=[(10.0, 30.0)])
    assert {item.kind for item in spans} == {"span"}
    assert {item.kind for item in gaps} == {"gap"}
    assert all(len(item.ch_names) == 1 for item in spans)
    assert all(item.ch_names == NAMES for item in gaps)
    times = sorted((item.start, item.stop) for item in (*spans, *gaps))
    assert all(stop - start == 2 for start, stop in times)
    assert all(later[0] - earlier[1] >= 2 for earlier, later in pairwise(times))
    assert all(stop <= 10 or start >= 30 for start, stop in times)
    assert times[0][0] >= 1
    assert times[-1][1] <= 59


@pytest.mark.parametrize(
    ("wish", "n", "error", "words"),
    [
        (Wish(), 3, ChannelError, "3 good channels"),
        (Wish(runs=1), 19, UsageError, "hidden at once"),
        (Wish(channels=20), 19, UsageError, "20 channels"),
        (Wish(channels=0), 19, UsageError, "0 channels"),
        (Wish(regions=9), 19, UsageError, "9 runs"),
        (Wish(regions=8, channels=2), 19, UsageError, "9 runs"),
        (Wish(regions=1), 4, UsageError, "regions"),
        (Wish(spans=200), 19, RecordingError, "room for"),
    ],
)
def test_what_cannot_be_hidden(wish, n, error, words):
    with pytest.raises(error, match=words) as caught:
        shared(wish, NAMES[:n])
    assert caught.value.hint


def test_the_hint_of_too_few_runs_works():
    with pytest.raises(UsageError) as caught:
        shared(Wish(runs=1))
    assert shared(Wish(runs=int(caught.value.hint.split()[1])))


@pytest.mark.parametrize("fields", [{"spans": -1}, {"runs": 0}, {"seconds": 0.5}, {"span_seconds": float("nan")}])
def test_numbers_that_mean_nothing_are_refused(fields):
    with pytest.raises(UsageError, match="came, wanted"):
        Wish(**fields)
