"""A peer runs in a process of its own; what goes wrong there is said in one line."""

import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from eegora.benchmark.peers import Peer
from eegora.errors import UsageError

SCRIPT = Path(__file__).with_name("peer.py")
ARGUMENTS = {"ch_names": ["Cz"], "ch_pos": [[0.0, 0.0, 0.0]], "n_times": 4, "sfreq": 1.0, "checkpoint": ""}


def start(python=sys.executable, **config):
    return Peer(python, SCRIPT, "embed", {"config": config, **ARGUMENTS})


def test_a_peer_is_fed_run_and_read(tmp_path):
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.savez(tmp_path / "x.npz", x=x)
    with closing(start()) as peer:
        assert peer.facts["package"] == "numpy"
        assert peer.facts["version"] == np.__version__
        peer.feed(tmp_path / "x.npz", threads=1)
        sample = peer.run()
        peer.save(tmp_path / "y.npy")
    assert sample.wall > 0
    assert np.array_equal(np.load(tmp_path / "y.npy"), 2 * x)


def test_a_peer_that_cannot_be_made_says_why():
    with pytest.raises(UsageError, match="no such size") as caught:
        start(broken=True)
    assert caught.value.code == "no_peer"


def test_a_python_that_is_not_there(tmp_path):
    with pytest.raises(UsageError) as caught:
        start(tmp_path / "python")
    assert caught.value.hint


def test_a_peer_that_dies_is_noticed(tmp_path):
    with closing(start()) as peer:
        peer._process.kill()
        peer._process.wait()
        with pytest.raises(UsageError, match="ended"):
            peer.run()


def test_a_peer_does_not_see_the_house(monkeypatch):
    """The worker's own folder and the caller's path are not its modules'."""
    monkeypatch.setenv("PYTHONPATH", "src")
    with closing(start()) as peer:
        environment = Path(f"/proc/{peer._process.pid}/environ").read_bytes().split(b"\0")
    assert not [entry for entry in environment if entry.startswith(b"PYTHONPATH=")]
    assert b"TORCHDYNAMO_DISABLE=1" in environment
