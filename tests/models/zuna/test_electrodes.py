"""Electrodes to add: by name, the original's farthest, and ours, which are spread."""

import numpy as np
import pytest

from eegora.errors import ChannelError, UsageError
from eegora.models.zuna import electrodes
from eegora.recordings.positions import head_position, mri_position

NAMES = ("Fp1", "Fp2", "C3", "C4")
PLACES = np.array([head_position(name) for name in NAMES])


def names(added):
    return [name for name, _ in added]


def test_names_come_in_the_tables_order_or_as_asked():
    assert names(electrodes.named(["Oz", "fz", "C3"], NAMES)) == ["Fz", "Oz"]
    assert names(electrodes.named(["Oz", "fz"], NAMES, in_order=True)) == ["Oz", "Fz"]


def test_positions_are_in_the_head_frame_unless_asked():
    ((_, head),), ((_, mri),) = electrodes.named(["Oz"], NAMES), electrodes.named(["Oz"], NAMES, "mri")
    assert np.array_equal(head, head_position("Oz"))
    assert np.array_equal(mri, mri_position("Oz"))


def test_an_unknown_name_lists_near_ones():
    with pytest.raises(ChannelError, match="O3"):
        electrodes.named(["O3"], NAMES)


def test_the_originals_choice_lies_together():
    assert names(electrodes.farthest(7, NAMES, PLACES)) == ["Iz", "I1h", "I2h"]
    assert not electrodes.farthest(4, NAMES, PLACES)


def test_ties_come_in_either_order():
    """T7 and T3 are one place."""
    pair = [names(electrodes.farthest(347, NAMES, PLACES, "head", ties=ties)) for ties in (1, -1)]
    assert pair[0].index("T7") + 1 == pair[0].index("T3")
    assert pair[1].index("T3") + 1 == pair[1].index("T7")


def test_our_choice_is_spread():
    found = electrodes.spread(12, NAMES, PLACES)
    places = np.concatenate([PLACES, [place for _, place in found]])
    apart = np.linalg.norm(places[:, None] - places, axis=-1) + np.eye(len(places))
    assert apart.min() > 0.04
    assert not any(name.endswith("h") for name in names(found))
    clustered = np.array([place for _, place in electrodes.farthest(12, NAMES, PLACES, "head")])
    assert np.linalg.norm(clustered[0] - clustered[1]) < 0.03


def test_no_electrode_twice():
    found = names(electrodes.spread(60, ("T3", "T4", "T5"), np.array([head_position(n) for n in ("T3", "T4", "T5")])))
    assert len(set(found)) == 57
    assert not {"T7", "T8", "P7"} & set(found)


@pytest.mark.parametrize(("montage", "n"), [("10-20", 19), ("10-10", 86), ("biosemi64", 64)])
def test_a_montage_adds_what_is_not_there(montage, n):
    have = ("Fp1", "T3", "O2")  # T3 is T7's other name
    found = dict(electrodes.of_montage(montage, have))
    assert len(found) == n - 3
    assert not {"Fp1", "T3", "T7", "O2"} & set(found)
    assert all(np.linalg.norm(place) < 0.2 for place in found.values())


def test_an_unknown_montage_lists_near_ones():
    with pytest.raises(UsageError, match="10-10"):
        electrodes.of_montage("10-11", ("Fp1",))


def test_more_than_there_are_is_refused():
    with pytest.raises(UsageError, match="at most"):
        electrodes.spread(400, NAMES, PLACES)
