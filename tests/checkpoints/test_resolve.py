from __future__ import annotations

import contextlib
import hashlib
import json
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from eegora.checkpoints.bundle import add_to_bundle
from eegora.checkpoints.published import Published
from eegora.checkpoints.resolve import fetch
from eegora.errors import CheckpointError, HubError, UsageError

from .hub import COMMIT, Hub, resolve

CONTENT = bytes(range(256)) * 5000  # 1.28 MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PUBLISHED = Published(("One/Model", "two/model"), ("w.safetensors", "Base/w.safetensors"), "CC BY-ND 4.0", len(CONTENT))
FILE = ("One/Model", "w.safetensors")
FILE_ARGS = (("One/Model",), ("w.safetensors",), "CC BY-ND 4.0", len(CONTENT))


@pytest.fixture
def said() -> list[str]:
    return []


def one_line(error: pytest.ExceptionInfo[CheckpointError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_download_is_announced_in_one_line_and_identified(
    hub: Hub, said: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.files[FILE] = CONTENT
    found = resolve(PUBLISHED, say=said.append)
    assert said == ["downloading w.safetensors from One/Model (1.3 MB, licence: CC BY-ND 4.0)"]
    assert found.path.read_bytes() == CONTENT
    assert found.path.is_relative_to(tmp_path / "hf-home" / "hub")
    assert found.record() == {
        "source": "download",
        "name": "w.safetensors",
        "sha256": SHA256,
        "licence": "CC BY-ND 4.0",
        "repo": "One/Model",
        "revision": COMMIT,
    }
    assert capfd.readouterr() == ("", "")


def test_second_time_comes_from_the_cache_without_a_request(hub: Hub, said: list[str]) -> None:
    hub.files[FILE] = CONTENT
    first = resolve(PUBLISHED, say=said.append)
    n_asked = len(hub.asked)
    second = resolve(PUBLISHED, say=said.append)
    assert len(hub.asked) == n_asked
    assert len(said) == 1
    assert second.source == "cache"
    assert (second.path, second.sha256, second.revision) == (first.path, SHA256, COMMIT)


def test_only_the_file_is_asked_for_and_no_telemetry_is_sent(hub: Hub) -> None:
    hub.files[FILE] = CONTENT
    resolve(PUBLISHED)
    assert set(hub.paths) == {
        "HEAD /",
        "HEAD /One/Model/resolve/main/w.safetensors",
        "GET /One/Model/resolve/main/w.safetensors",
    }
    assert hub.paths.count("GET /One/Model/resolve/main/w.safetensors") == 1
    agents = [headers["user-agent"] for method, path, headers in hub.asked if path != "/"]
    assert all(agent.startswith("eegora/") and "torch" not in agent and "agent/" not in agent for agent in agents)


def test_cached_files_serve_offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.files[FILE] = CONTENT
    resolve(PUBLISHED)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert resolve(PUBLISHED, offline=True).source == "cache"


@pytest.mark.parametrize("by_variable", [True, False])
def test_offline_refuses_without_a_request(hub: Hub, monkeypatch: pytest.MonkeyPatch, by_variable: bool) -> None:
    hub.files[FILE] = CONTENT
    if by_variable:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubError) as error:
        resolve(PUBLISHED, offline=not by_variable)
    assert error.value.code == "offline"
    line = one_line(error)
    assert ("HF_HUB_OFFLINE" if by_variable else "--offline") in line
    assert "--checkpoint FILE" in line
    assert hub.asked == []


def test_offline_is_read_at_the_call_not_when_the_client_was_imported(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    hub.files[FILE] = CONTENT
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert resolve(PUBLISHED).source == "download"
    assert constants.HF_HUB_OFFLINE is True


def test_unreachable_hub_answers_soon_and_names_the_ways_on(said: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    start = time.monotonic()
    with pytest.raises(HubError) as error:
        resolve(PUBLISHED, say=said.append)
    assert time.monotonic() - start < 5
    assert (error.value.code, error.value.exit_code) == ("hub_unreachable", 3)
    line = one_line(error)
    for way in ("--checkpoint FILE", "--untrained [--seed N]", "`eegora fetch MODEL`", "http://127.0.0.1:9"):
        assert way in line
    assert said == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("drips", [False, True])
def test_a_hub_that_does_not_come_to_the_point_is_given_three_seconds(
    monkeypatch: pytest.MonkeyPatch, drips: bool
) -> None:
    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 30:
                connection.sendall(bytes([byte]))
                time.sleep(0.2)

    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as stack:

        def accept() -> None:
            with contextlib.suppress(OSError):
                drip(stack.enter_context(server.accept()[0]))

        if drips:
            threading.Thread(target=accept, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        start = time.monotonic()
        with pytest.raises(HubError) as error:
            resolve(PUBLISHED)
        assert 2 < time.monotonic() - start < 4.5
    assert error.value.code == "hub_unreachable"


@pytest.mark.parametrize("place", [("One/Model", "Base/w.safetensors"), ("two/model", "w.safetensors")])
def test_next_place_is_tried_where_one_lacks_the_file(hub: Hub, said: list[str], place: tuple[str, str]) -> None:
    hub.files["One/Model", "README.md"] = b"card"
    hub.files[place] = CONTENT
    found = resolve(PUBLISHED, say=said.append)
    assert (found.repo, found.name) == place
    assert found.revision == COMMIT
    assert len(said) == 1
    again = resolve(PUBLISHED, say=said.append)
    assert (again.source, again.repo, again.name, again.revision) == ("cache", *place, COMMIT)


def test_absent_repository_is_passed_over(hub: Hub) -> None:
    hub.files["two/model", "Base/w.safetensors"] = CONTENT
    assert resolve(PUBLISHED).repo == "two/model"


def test_no_place_has_it(hub: Hub) -> None:
    hub.files["One/Model", "README.md"] = b"card"
    with pytest.raises(HubError) as error:
        resolve(PUBLISHED)
    assert error.value.code == "not_on_hub"
    line = one_line(error)
    assert "One/Model/Base/w.safetensors: no such file" in line
    assert "two/model/w.safetensors: no such repository, or a private one" in line


def test_token_is_sent_to_a_gated_repository(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.files[FILE] = CONTENT
    hub.gated = {"One/Model"}
    with pytest.raises(HubError) as error:
        resolve(PUBLISHED)
    assert error.value.code == "hub_refused"
    assert "HF_TOKEN" in one_line(error)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert resolve(PUBLISHED).source == "download"
    assert hub.asked[-1][2]["authorization"] == "Bearer hf_secret"


def test_forbidden_is_not_called_unreachable(hub: Hub) -> None:
    hub.files[FILE] = CONTENT
    hub.forbidden = {"w.safetensors"}
    with pytest.raises(HubError) as error:
        resolve(PUBLISHED)
    assert error.value.code == "hub_refused"
    one_line(error)


def test_busy_hub_is_asked_again(hub: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    hub.files[FILE] = CONTENT
    hub.failures = 1
    assert resolve(PUBLISHED).path.read_bytes() == CONTENT
    assert capfd.readouterr() == ("", "")


def test_cut_download_goes_on_where_it_broke_off(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)  # it writes whole chunks, of 10 MB otherwise
    hub.files[FILE] = CONTENT
    hub.cut_after = 500_000
    assert resolve(PUBLISHED).sha256 == SHA256
    ranges = [headers["range"] for method, _, headers in hub.asked if method == "GET" and "range" in headers]
    assert len(ranges) == 1
    assert 0 < int(ranges[0].removeprefix("bytes=").rstrip("-")) <= 500_000
    assert capfd.readouterr() == ("", "")


def test_something_else_than_a_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.url}/elsewhere")
    with pytest.raises(HubError) as error:
        resolve(PUBLISHED)
    assert error.value.code == "hub_unreachable"
    one_line(error)


def test_recorded_sha256_is_compared_for_download_and_cache(hub: Hub) -> None:
    hub.files[FILE] = CONTENT
    right = Published(*FILE_ARGS, sha256=SHA256)
    wrong = Published(*FILE_ARGS, sha256="0" * 64)
    with pytest.raises(CheckpointError) as error:
        resolve(wrong)
    assert error.value.code == "wrong_checksum"
    assert SHA256[:12] in one_line(error)
    with pytest.raises(CheckpointError, match="wrong_checksum"):
        resolve(wrong, offline=True)
    assert resolve(right, offline=True).sha256 == SHA256


def test_cache_folder_repo_and_revision_can_be_chosen(hub: Hub, tmp_path: Path, said: list[str]) -> None:
    hub.files["my/own", "w.safetensors"] = CONTENT
    found = resolve(PUBLISHED, say=said.append, cache_dir=tmp_path / "c", repo="my/own", revision=COMMIT)
    assert found.path.is_relative_to(tmp_path / "c")
    assert (found.repo, found.revision) == ("my/own", COMMIT)
    with pytest.raises(HubError) as error:
        resolve(PUBLISHED, repo="my/own", revision="no-such-branch", cache_dir=tmp_path / "d")
    assert "no such revision" in one_line(error)


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HF_HOME"])
def test_cache_variables_are_read_at_the_call(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    hub.files[FILE] = CONTENT
    monkeypatch.setenv(variable, str(tmp_path / "there"))
    assert resolve(PUBLISHED).path.is_relative_to(tmp_path / "there")


def test_cache_that_cannot_be_written(hub: Hub, tmp_path: Path) -> None:
    hub.files[FILE] = CONTENT
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError) as error:
        resolve(PUBLISHED, cache_dir=tmp_path / "file" / "cache")
    assert error.value.code == "cannot_store"
    one_line(error)


@contextlib.contextmanager
def full_disk(n_bytes: int) -> Iterator[None]:
    """No file may grow beyond this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_leaves_nothing_half_written(hub: Hub, tmp_path: Path) -> None:
    hub.files[FILE] = CONTENT
    with full_disk(100_000), pytest.raises(CheckpointError) as error:
        resolve(PUBLISHED)
    assert error.value.code == "cannot_store"
    assert "File too large" in one_line(error)
    resolve(PUBLISHED)
    with full_disk(100_000), pytest.raises(CheckpointError) as error:
        fetch(PUBLISHED, tmp_path / "bundle")
    assert error.value.code == "cannot_store"
    assert [path for path in (tmp_path / "bundle").rglob("*") if path.is_file()] == []


def test_repository_name_that_cannot_be_one() -> None:
    with pytest.raises(UsageError) as error:
        resolve(PUBLISHED, repo="a b/../c")
    assert error.value.code == "bad_repo"
    assert "\n" not in str(error.value)


def test_config_comes_along_where_there_is_one(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TQDM_POSITION", "-1")  # has the client show its bars also where there is no terminal
    published = Published(*FILE_ARGS, config_files=("other.json", "config.json"))
    hub.files[FILE] = CONTENT
    hub.files["One/Model", "config.json"] = b'{"dim": 3}'
    found = resolve(published)
    assert found.config_path is not None
    assert found.config_path.read_text() == '{"dim": 3}'
    assert capfd.readouterr() == ("", "")
    assert resolve(published, offline=True).config_path == found.config_path


def test_config_that_is_there_but_not_delivered_is_not_called_absent(hub: Hub) -> None:
    hub.files[FILE] = CONTENT
    hub.forbidden = {"config.json"}
    with pytest.raises(HubError) as error:
        resolve(Published(*FILE_ARGS, config_files=("config.json",)))
    assert error.value.code == "hub_refused"


def test_given_file_wins_over_everything(tmp_path: Path, said: list[str]) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(CONTENT)
    found = resolve(PUBLISHED, given=path, say=said.append, bundle=tmp_path / "no-bundle")
    assert found.record() == {"source": "given", "name": "mine.safetensors", "sha256": SHA256}
    assert found.config_path is None
    (tmp_path / "config.json").write_text("{}")
    assert resolve(None, given=path).config_path == tmp_path / "config.json"


def test_given_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as absent:
        resolve(PUBLISHED, given=tmp_path / "absent.safetensors")
    with pytest.raises(CheckpointError) as folder:
        resolve(PUBLISHED, given=tmp_path)
    assert (absent.value.code, absent.value.exit_code) == ("not_found", 2)
    assert (folder.value.code, folder.value.exit_code) == ("bad_checkpoint", 2)


def test_nothing_published() -> None:
    with pytest.raises(CheckpointError) as error:
        resolve(None)
    assert error.value.code == "nothing_published"
    assert "--untrained" in one_line(error)


def test_bundle_round_trip(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    published = Published(("One/Model",), ("Base/w.safetensors",), "CC BY-ND 4.0", 1, config_files=("config.json",))
    hub.files["One/Model", "Base/w.safetensors"] = CONTENT
    hub.files["One/Model", "config.json"] = b"{}"
    steps: list[tuple[int, int]] = []
    bundle = tmp_path / "bundle"
    made = fetch(published, bundle, say=said.append, watch=lambda done, total: steps.append((done, total)))
    assert made.path == bundle / "One--Model" / "Base" / "w.safetensors"
    assert steps[-1] == (len(CONTENT), len(CONTENT))
    contents = json.loads((bundle / "bundle.json").read_text())["files"]
    assert contents["One--Model/Base/w.safetensors"] == {
        "sha256": SHA256,
        "licence": "CC BY-ND 4.0",
        "repo": "One/Model",
        "revision": COMMIT,
        "size": len(CONTENT),
    }
    names = [".bundle.json.lock", "bundle.json", "config.json", "w.safetensors"]
    assert sorted(p.name for p in bundle.rglob("*") if p.is_file()) == names

    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("EEGORA_BUNDLE", str(bundle))
    n_asked = len(hub.asked)
    found = resolve(published, offline=True)
    assert (found.source, found.path, found.name) == ("bundle", made.path, "Base/w.safetensors")
    assert (found.repo, found.revision, found.sha256) == ("One/Model", COMMIT, SHA256)
    assert found.config_path == bundle / "One--Model" / "config.json"
    assert len(hub.asked) == n_asked


def test_bundle_keeps_what_it_has(hub: Hub, tmp_path: Path) -> None:
    hub.files[FILE] = CONTENT
    hub.files["other/model", "v.safetensors"] = b"other"
    fetch(PUBLISHED, tmp_path)
    fetch(Published(("other/model",), ("v.safetensors",), "MIT", 5), tmp_path)
    assert list(json.loads((tmp_path / "bundle.json").read_text())["files"]) == [
        "One--Model/w.safetensors",
        "other--model/v.safetensors",
    ]


def test_bundle_filled_by_several_at_once_loses_no_entry(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(CONTENT)

    def add(i: int) -> None:
        add_to_bundle(tmp_path / "bundle", tmp_path / "w", "w", {"repo": f"a/m{i}", "sha256": SHA256})

    threads = [threading.Thread(target=add, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = json.loads((tmp_path / "bundle" / "bundle.json").read_text())["files"]
    assert sorted(found) == sorted(f"a--m{i}/w" for i in range(16))


def test_bundle_that_was_damaged_on_the_way(hub: Hub, tmp_path: Path) -> None:
    hub.files[FILE] = CONTENT
    made = fetch(PUBLISHED, tmp_path / "bundle")
    made.path.write_bytes(CONTENT[:-1])
    with pytest.raises(CheckpointError) as error:
        resolve(PUBLISHED, bundle=tmp_path / "bundle")
    assert error.value.code == "wrong_checksum"
    (tmp_path / "bundle" / "bundle.json").write_text("[1]")
    with pytest.raises(CheckpointError) as error:
        resolve(PUBLISHED, bundle=tmp_path / "bundle")
    assert error.value.code == "bad_bundle"


def test_bundle_without_the_file_leaves_it_to_the_cache(hub: Hub, tmp_path: Path) -> None:
    hub.files[FILE] = CONTENT
    (tmp_path / "bundle").mkdir()
    assert resolve(PUBLISHED, bundle=tmp_path / "bundle").source == "download"
    with pytest.raises(CheckpointError) as error:
        resolve(PUBLISHED, bundle=tmp_path / "absent")
    assert error.value.code == "not_found"


def test_fetch_without_a_folder_fills_the_cache(hub: Hub) -> None:
    hub.files[FILE] = CONTENT
    assert fetch(PUBLISHED).source == "download"
    assert fetch(PUBLISHED, offline=True).source == "cache"


def test_importing_is_cheap() -> None:
    code = "import sys\nfrom eegora.checkpoints import published, rename, resolve, read\n"
    code += "print([m for m in ('torch', 'mne', 'huggingface_hub', 'numpy', 'safetensors') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_two_processes_fetching_at_once(hub: Hub, tmp_path: Path) -> None:
    """Both end with the whole file, in one cache and one bundle; nothing half-written is left."""
    hub.files[FILE] = CONTENT * 8
    sha256 = hashlib.sha256(CONTENT * 8).hexdigest()
    code = f"""
from eegora.checkpoints.published import Published
from eegora.checkpoints.resolve import fetch
print(fetch(Published(("One/Model",), ("w.safetensors",), "MIT", 1), {str(tmp_path / "bundle")!r}).sha256)
"""
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out.strip(), err) == (0, sha256, "")
    left = sorted(p.name for p in (tmp_path / "bundle").rglob("*") if p.is_file())
    assert left == [".bundle.json.lock", "bundle.json", "w.safetensors"]
    assert not list((tmp_path / "hf-home").rglob("*.incomplete"))


def test_cache_on_a_disk_without_links(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.symlink", refuse)
    hub.files[FILE] = CONTENT
    found = resolve(PUBLISHED)
    assert not found.path.is_symlink()
    assert found.path.read_bytes() == CONTENT
    assert resolve(PUBLISHED, offline=True).source == "cache"
