"""What the doctor says of an installation; each judgement on facts that are given, and on this machine as it is."""

import json
import os
import socket
import sys

import pytest

from eegora.check import installation
from eegora.check.installation import (
    Folder,
    examine,
    judge_folders,
    judge_gpu,
    judge_package,
    judge_threads,
    look_into,
)
from eegora.cli.main import main


def codes(findings):
    return [(f.severity, f.code) for f in findings]


@pytest.mark.parametrize(
    ("driver", "built", "hip", "n_devices", "wanted"),
    [
        (None, None, None, 0, []),
        (None, "13.0", None, 0, [("note", "no_driver")]),
        ((12, 4), None, None, 0, [("warning", "cpu_build")]),
        ((12, 4), None, "6.2", 0, [("warning", "cpu_build")]),
        ((12, 4), "13.0", None, 0, [("warning", "driver_too_old")]),
        ((12, 4), "12.8", None, 0, [("warning", "no_device")]),
        ((12, 4), "12.8", None, 1, []),
        (None, None, "6.2", 1, []),
    ],
)
def test_driver_and_wheel(driver, built, hip, n_devices, wanted):
    found = judge_gpu(driver, built, hip, n_devices)
    assert codes(found) == wanted
    assert all(f.next for f in found)


def test_hidden_devices_are_told(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (found,) = judge_gpu((12, 4), "12.8", None, 0)
    assert "CUDA_VISIBLE_DEVICES=''" in found.sentence
    assert found.next == "unset CUDA_VISIBLE_DEVICES"


def test_packages_absent_old_and_fine():
    assert codes(judge_package("mne", None, "1.11")) == [("error", "mne")]
    (old,) = judge_package("mne", "1.9.0", "1.11")
    assert (old.severity, old.next) == ("error", "pip install --upgrade 'mne>=1.11'")
    assert judge_package("mne", "1.11.0", "1.11") == []
    assert judge_package("torch", "2.13.0+cpu", "2.5") == []
    assert judge_package("scipy", "1.2", None) == []


def test_threads():
    assert codes(judge_threads(4, 8)) == [("warning", "threads")]
    assert codes(judge_threads(8, 1)) == [("note", "threads")]
    assert judge_threads(4, 4) == judge_threads(1, 1) == []


def test_a_folder_is_measured(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"x" * 1000)
    os.symlink(tmp_path / "a" / "file", tmp_path / "link")
    found = look_into(tmp_path)
    assert 1000 <= found.bytes < 2000
    assert (found.exists, found.writable) == (True, True)
    assert look_into(tmp_path, count=False).bytes == 0
    missing = look_into(tmp_path / "not" / "there")
    assert (missing.exists, missing.writable, missing.bytes) == (False, True, 0)
    below_a_file = look_into(tmp_path / "a" / "file" / "folder")
    assert (below_a_file.exists, below_a_file.writable) == (False, False)


def test_folders_that_are_full_or_closed():
    full = Folder("/full", True, True, 0, 10**6)
    closed = Folder("/closed", True, False, 0, 10**12)
    found = judge_folders({"hub": full, "temporary": closed, "timings": Folder("/fine", False, True, 0, 10**12)})
    assert codes(found) == [("warning", "disk"), ("warning", "not_writable")]
    assert "HF_HOME" in found[0].next
    assert "TMPDIR" in found[1].next
    assert codes(judge_folders({"bundle": Folder("/gone", False, False, 0, 0)})) == [("warning", "bundle")]


def test_this_machine_and_no_network(monkeypatch):
    """Everything is found without one connection; the packages that run the tests are there."""

    def refuse(*arguments):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    health = examine()
    assert not [f for f in health.findings if f.severity == "error"]
    assert health.facts["versions"]["torch"]
    assert set(health.facts["folders"]) >= {"hub", "timings", "fingerprints", "temporary"}
    assert json.loads(json.dumps(health.to_dict()))["verdict"] == str(health)


def test_offline_is_said(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    health = examine()
    assert health.facts["network"]["offline"]
    assert ("note", "offline") in codes(health.findings)


def test_a_torch_that_cannot_be_imported_is_an_error(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "eegora cannot work here: torch"
    assert "install the build for it" in out


def test_the_command_leaves_with_one_if_something_is_to_be_mended(monkeypatch, capsys, tmp_path):
    for name in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr(installation, "driver_cuda", lambda: None)
    monkeypatch.setattr(installation, "_cores", lambda: 10**6)
    monkeypatch.setattr(installation, "LEAST_FREE", 0)
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exit_code"] == 0
    monkeypatch.setenv("EEGORA_BUNDLE", str(tmp_path / "nowhere"))
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "eegora works here, with something to mend: bundle"
