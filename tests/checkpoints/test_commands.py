"""Commands and tables about published checkpoints, with a hub on the loopback."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from eegora import registry
from eegora.checkpoints.published import Published
from eegora.checkpoints.resolve import fetch
from eegora.cli.fetch import _bar
from eegora.cli.main import main
from eegora.report.tables import checkpoint_markdown

from .hub import COMMIT, Hub

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def published() -> tuple[str, str, str]:
    """A model with a published checkpoint, its first repository and file."""
    for spec in registry.specs().values():
        for variant in spec.variants:
            if variant.published is not None:
                return registry.full_name(spec, variant), variant.published.repos[0], variant.published.files[0]
    raise AssertionError("nothing is published")


def test_fetch_tells_size_source_licence_and_hash(hub: Hub, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model, repo, file = published()
    hub.files[repo, file] = CONTENT
    assert main(["fetch", model, model, "--to", str(tmp_path / "b"), "--hf-cache", str(tmp_path / "c")]) == 0
    out, err = capfd.readouterr()
    for words in (f"{len(CONTENT):,} bytes", SHA256, "none is recorded", "licence: ", str(tmp_path / "b")):
        assert words in out
    assert out.count(SHA256) == 1  # named twice, fetched once
    assert err.count("\n") == 1
    assert err.startswith("downloading")
    assert (tmp_path / "c").is_dir()
    assert not (tmp_path / "hf-home" / "hub").exists()


def test_fetch_from_elsewhere(hub: Hub, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model, _, file = published()
    hub.files["my/own", file] = CONTENT
    assert main(["fetch", model, "--repo", "my/own", "--revision", COMMIT]) == 0
    assert SHA256 in capfd.readouterr().out
    assert main(["fetch", model, "--repo", "my/own", "--revision", COMMIT, "--offline"]) == 0
    assert main(["fetch", model, "--repo", "no/such"]) == 3
    assert "no/such" in capfd.readouterr().err


def test_a_run_takes_its_checkpoint_from_elsewhere(hub: Hub, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The file is found and judged: it holds no tensors, which is said of the file of that repository."""
    model, _, file = published()
    hub.files["my/own", file] = CONTENT
    arguments = ["verify", model, "--repo", "my/own", "--revision", COMMIT, "--hf-cache", str(tmp_path / "c")]
    assert main(arguments) == 2
    err = capfd.readouterr().err
    assert "from my/own" in err
    assert "bad_checkpoint" in err
    assert main(["verify", model, "--checkpoint", "x", "--repo", "my/own"]) == 2
    assert "leave one of them out" in capfd.readouterr().err


def test_table_of_published_checkpoints() -> None:
    text = checkpoint_markdown(registry.specs().values())
    lines = text.splitlines()
    assert len(lines) == 2 + len(registry.names())
    assert {line.count(" | ") for line in lines[2:]} == {6}
    for name in registry.names():
        assert f"| `{name}` |" in text
    for spec in registry.specs().values():
        for variant in spec.variants:
            if variant.published is not None:
                assert variant.published.licence in text
                assert f"`{variant.published.repos[0]}`" in text


def test_progress_is_shown_on_a_terminal_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")  # on a "dumb" one nothing is drawn
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", stream)
        with _bar("what") as watch:
            watch(0, 4_000_000)
            watch(1_000_000, 4_000_000)
            watch(4_000_000, 4_000_000)
        assert ("what" in stream.getvalue() and "4.0/4.0 MB" in stream.getvalue()) is shown, stream.getvalue()


def test_the_client_tells_progress_from_nothing_to_all(hub: Hub, tmp_path: Path) -> None:
    hub.files["one/model", "w"] = CONTENT * 300
    steps: list[tuple[int, int]] = []
    place = Published(("one/model",), ("w",), "MIT", 1)
    fetch(place, cache_dir=tmp_path, watch=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (len(CONTENT) * 300, len(CONTENT) * 300)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
