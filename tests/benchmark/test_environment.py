"""The peers' environment is made once, announced, and made anew where it is not whole. Nothing is installed here."""

import json
import sys
from pathlib import Path

import pytest

from eegora.benchmark import environment
from eegora.benchmark.environment import peers_folder, peers_python
from eegora.errors import UsageError


@pytest.fixture
def commands(tmp_path):
    """Commands that were run, by a stand-in that leaves what they would."""
    made = []

    def run(command):
        made.append(list(command))
        if "venv" in command:
            for name in ("bin/python", "lib/python3.11/site-packages/x"):
                (tmp_path / "peers" / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / "peers" / name).write_text("")

    run.made = made
    return run


def test_it_is_made_once_and_announced(tmp_path, commands):
    said = []
    for _ in range(2):
        python = peers_python(said.append, tmp_path / "peers", commands)
        assert python == tmp_path / "peers" / "bin" / "python"
    assert len(said) == 1
    assert "braindecode==1.8.1" in said[0]
    installs = [command for command in commands.made if "install" in command]
    assert len(installs) == 2
    assert any("--no-deps" in command and "zuna==1.1.6" in command for command in installs)
    assert commands.made[2][-3:] == ["uninstall", "--yes", "torchaudio"]
    from importlib.metadata import version

    assert f"torch=={version('torch').split('+')[0]}" in installs[0]


def test_the_stand_in_has_the_names_that_are_imported(tmp_path, commands, monkeypatch):
    peers_python(lambda line: None, tmp_path / "peers", commands)
    monkeypatch.syspath_prepend(tmp_path / "peers" / "lib" / "python3.11" / "site-packages")
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    import torchaudio

    for name in ("fftconvolve", "filtfilt", "lfilter", "resample"):
        with pytest.raises(RuntimeError, match="stand-in"):
            getattr(torchaudio.functional, name)()
    for name in ("Resample", "Spectrogram", "MelSpectrogram"):
        assert isinstance(getattr(torchaudio.transforms, name), type)
    for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("damage", ["unfinished", "other packages"])
def test_what_is_not_whole_is_made_anew(tmp_path, commands, damage):
    peers_python(lambda line: None, tmp_path / "peers", commands)
    stamp, left = tmp_path / "peers" / "complete.json", tmp_path / "peers" / "left over"
    left.write_text("")
    stamp.unlink() if damage == "unfinished" else stamp.write_text(json.dumps(["braindecode==1.0"]))
    peers_python(lambda line: None, tmp_path / "peers", commands)
    assert not left.exists()
    assert stamp.exists()


def test_a_command_that_fails_is_one_line(tmp_path):
    with pytest.raises(UsageError, match="that is not so") as caught:
        environment._run([sys.executable, "-c", "import sys; sys.exit('noise\\nthat is not so')"])
    assert (caught.value.code, "--peers" in caught.value.hint) == ("no_peer", True)
    with pytest.raises(UsageError, match="could not be started"):
        environment._run([str(tmp_path / "nothing")])


def test_it_lies_in_the_users_cache():
    assert isinstance(peers_folder(), Path)
    assert "eegora" in str(peers_folder())
