"""A peer runs in a process of its own; what goes wrong there is said in one line."""

import sys
from pathlib import Path

import numpy as np
import pytest

from eegora.benchmark.peers import Peer
from eegora.errors import UsageError

SCRIPT = Path(__file__).with_name("peer.py")
ARGUMENTS = {"ch_names": ["Cz"], "ch_pos": [[0.0, 0.0, 0.0]], "n_times": 4, "sfreq": 1.0, "checkpoint": ""}


def test_a_peer_is_fed_run_and_read(tmp_path):
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.save(tmp_path / "x.npy", x)
    with Peer(sys.executable, SCRIPT, {"config": {}, **ARGUMENTS}) as peer:
        assert peer.facts["package"] == "numpy"
        assert peer.facts["version"] == np.__version__
        peer.feed(tmp_path / "x.npy", threads=1)
        sample = peer.run()
        peer.save(tmp_path / "y.npy")
    assert sample.wall > 0
    assert np.array_equal(np.load(tmp_path / "y.npy"), 2 * x)


def test_a_peer_that_cannot_be_made_says_why():
    with pytest.raises(UsageError, match="no such size") as caught:
        Peer(sys.executable, SCRIPT, {"config": {"broken": True}, **ARGUMENTS})
    assert caught.value.code == "no_peer"


def test_a_python_that_is_not_there(tmp_path):
    with pytest.raises(UsageError) as caught:
        Peer(tmp_path / "python", SCRIPT, {"config": {}, **ARGUMENTS})
    assert caught.value.hint


def test_a_peer_that_dies_is_noticed(tmp_path):
    with Peer(sys.executable, SCRIPT, {"config": {}, **ARGUMENTS}) as peer:
        peer._process.kill()
        peer._process.wait()
        with pytest.raises(UsageError, match="ended"):
            peer.run()
