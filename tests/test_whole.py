from __future__ import annotations

import os
from pathlib import Path

import pytest

from eegora.whole import as_text, write_whole


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_came_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    path = tmp_path / "x"

    def refuse(*_: object) -> None:
        raise OSError("no links here")

    if not links:
        monkeypatch.setattr("os.link", refuse)
    with pytest.raises(FileExistsError):
        write_whole(path, lambda temporary: (temporary.write_text("ours"), path.write_text("theirs")), replace=False)
    assert path.read_text() == "theirs"
    path.unlink()
    write_whole(path, lambda temporary: temporary.write_text("ours"), replace=False)
    assert path.read_text() == "ours"
    assert os.listdir(tmp_path) == ["x"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "x", fail)
    assert os.listdir(tmp_path) == []


def test_the_name_beside_has_the_same_ending_and_the_users_rights(tmp_path: Path) -> None:
    seen = []

    def write(temporary: Path) -> None:
        seen.append((temporary.suffix, temporary.exists()))
        temporary.write_text("x")
        temporary.chmod(0o600)

    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "x.fif", write)
    finally:
        os.umask(before)
    assert seen == [(".fif", False)]
    assert (tmp_path / "x.fif").stat().st_mode & 0o777 == 0o640


def test_text_is_written_in_utf_8(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", as_text("12 µV\n"))
    assert (tmp_path / "x").read_bytes() == b"12 \xc2\xb5V\n"
