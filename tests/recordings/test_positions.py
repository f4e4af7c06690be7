import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from eegora.recordings.positions import electrode, electrodes, head_position, mri_position

VECTORS = Path(__file__).parents[1] / "data" / "recordings" / "luna-positions.safetensors"


def _cases():
    with safe_open(VECTORS, "np") as vectors:
        cases = json.loads(vectors.metadata()["cases"])
        tensors = {key: vectors.get_tensor(key) for key in vectors.keys()}  # noqa: SIM118 (not a dict)
    return cases, tensors


@pytest.mark.parametrize("case", ["vocabulary", "standard_1005"])
def test_positions_equal_the_vectors_bit_for_bit(case):
    cases, tensors = _cases()
    wanted = tensors[cases[case]["expected"]["locations_m"]["tensor"]]
    ours = np.stack([head_position(name) for name in cases[case]["options"]["channels"]])
    assert ours.dtype == np.float64
    assert np.array_equal(ours, wanted)


def test_a_derivation_sits_halfway():
    assert np.array_equal(head_position("fp1-F7"), (head_position("Fp1") + head_position("F7")) / 2)


def test_aliases_share_a_place_and_ears_are_not_mastoids():
    for old, new in (("T3", "T7"), ("T4", "T8"), ("T5", "P7"), ("T6", "P8"), ("CB1", "POO7"), ("CB2", "POO8")):
        assert np.array_equal(head_position(old), head_position(new))
    assert np.linalg.norm(head_position("A1") - head_position("M1")) > 0.01


def test_names_without_a_place_have_none():
    assert head_position("T1") is None
    assert head_position("Fp1-T1") is None
    assert head_position("foo") is None
    assert electrode("t1") == "T1"


def test_the_two_frames_differ_by_one_rigid_motion():
    names = electrodes()
    assert len(names) == 345
    head, mri = (np.stack([f(n) for n in names]) for f in (head_position, mri_position))
    lengths = [np.linalg.norm(x[:, None] - x[None, :], axis=-1) for x in (head, mri)]
    assert np.allclose(*lengths, atol=1e-9)
    assert np.allclose(mri_position("Fp1"), [-0.0294367, 0.0839171, -0.00699])


def test_the_caller_cannot_change_the_table():
    head_position("Cz")[:] = 0
    assert np.linalg.norm(head_position("Cz")) > 0.1
