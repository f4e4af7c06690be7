"""Where a checkpoint comes from: the file that was given, a bundle, the Hugging Face cache, the hub; in this order, and said aloud.

What a file holds it leaves to `read`; the only network use of the library is behind this door, in `hub`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from eegora.checkpoints import bundle as bundles
from eegora.checkpoints import hub
from eegora.checkpoints.published import Published
from eegora.checkpoints.read import check_file, sha256_of
from eegora.errors import CheckpointError, HubError

Say = Callable[[str], None]
CARRY = "run it where the hub can be reached, with --to DIR, and carry that folder here"


@dataclass(frozen=True)
class Found:
    """A checkpoint file on this machine, and where it comes from.

    Parameters
    ----------
    path : Path
    source : str
        ``given``, ``bundle``, ``cache`` or ``download``.
    name : str
        The file's name: inside its repository, or as given.
    licence, repo, revision : str or None
        None where nothing is known, as for a file of the user's own.
    config_path : Path or None
        Its config.json, if there is one beside it.
    recorded : str or None
        The SHA-256 that it must have.
    """

    path: Path
    source: Literal["given", "bundle", "cache", "download"]
    name: str
    licence: str | None = None
    repo: str | None = None
    revision: str | None = None
    config_path: Path | None = None
    recorded: str | None = None

    @cached_property
    def sha256(self) -> str:
        """The file's SHA-256, compared with the recorded one when it is first asked for.

        Raises
        ------
        CheckpointError
            ``wrong_checksum``.
        """
        own = sha256_of(self.path)
        if self.recorded not in (None, own):
            raise CheckpointError(
                "wrong_checksum",
                f"{self.path}: its SHA-256 is {own[:12]}…, not the recorded {str(self.recorded)[:12]}…",
                hint="delete the file and fetch it again; to use it all the same, give it with --checkpoint",
            )
        return own

    def proven(self) -> Found:
        """Return it once its SHA-256 has been compared. Raises as `sha256`."""
        _ = self.sha256
        return self

    def record(self) -> dict[str, str]:
        """Return what provenance keeps: no machine path, nothing that is unknown."""
        names = ("source", "name", "sha256", "licence", "repo", "revision")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def locate(
    published: Published | None,
    *,
    given: Path | str | None = None,
    offline: bool = False,
    say: Say = lambda line: None,
    bundle: Path | str | None = None,
    cache_dir: Path | str | None = None,
    repo: str | None = None,
    revision: str | None = None,
) -> Found:
    """Find a checkpoint file, and download it only if it is nowhere else.

    Parameters
    ----------
    published : Published or None
        None if nothing is published: then `given` is needed.
    given : path-like, optional
        The user's own file; nothing else is looked at.
    offline : bool
        Forbids the network, as HF_HUB_OFFLINE does.
    say : callable
        Gets one line before a download: repository, size, licence.
    bundle : path-like, optional
        A folder made by `fetch`; default EEGORA_BUNDLE.
    cache_dir : path-like, optional
        The hub client's cache; default as HF_HUB_CACHE and HF_HOME say.
    repo, revision : str, optional
        Instead of the published ones.

    Returns
    -------
    Found

    Raises
    ------
    CheckpointError
        ``not_found``, ``bad_checkpoint``, ``nothing_published``, ``bad_bundle``, ``cannot_store``; its `sha256` may raise
        ``wrong_checksum``.
    HubError
        ``offline``, ``hub_unreachable``, ``hub_refused``, ``not_on_hub``; each names the ways on.
    """
    if given is not None:
        return _given(Path(given).expanduser(), published)
    if published is None:
        hint = "give --checkpoint FILE; or --untrained [--seed N] for a run with random parameters"
        raise CheckpointError("nothing_published", "no checkpoint is published for this variant", hint=hint)
    published = published.at(repo, revision)
    folder = bundle or os.environ.get("EEGORA_BUNDLE")
    if folder and (found := _bundled(Path(folder).expanduser(), published)):
        return found
    return _fetched(published, _cache(cache_dir), offline, say)


def fetch(
    published: Published,
    to: Path | str | None = None,
    *,
    say: Say = lambda line: None,
    watch: hub.Watch | None = None,
    offline: bool = False,
    cache_dir: Path | str | None = None,
) -> Found:
    """Bring a checkpoint into the hub client's cache, or copy it into a bundle folder.

    Parameters
    ----------
    published : Published
        `Published.at` gives it another repository or revision.
    to : path-like, optional
        The bundle's folder, made if need be.
    say, offline, cache_dir
        As `locate`.
    watch : callable, optional
        Gets the bytes so far and in all.

    Raises
    ------
    CheckpointError, HubError
        As `locate`, and ``wrong_checksum``.
    """
    try:
        found = _fetched(published, _cache(cache_dir), offline, say, watch).proven()
    except HubError as error:  # to fetch is one of the ways on itself
        raise HubError(error.code, error.message, hint=error.hint.replace(hub.WAYS_ON, CARRY)) from error
    if to is None:
        return found
    folder = Path(to).expanduser()
    entry = found.record() | {"repo": found.repo or published.repos[0]}
    del entry["source"], entry["name"]
    path = bundles.add_to_bundle(folder, found.path, found.name, entry)
    if found.config_path is not None:
        beside = entry | {"sha256": sha256_of(found.config_path)}
        config = bundles.add_to_bundle(folder, found.config_path, _config_name(found, published), beside)
        return replace(found, path=path, source="bundle", config_path=config)
    return replace(found, path=path, source="bundle")


def _given(path: Path, published: Published | None) -> Found:
    check_file(path)
    names = {Path(name).name for name in (published.config_files if published else ())} | {"config.json"}
    beside = sorted(p for name in names if (p := path.with_name(name)).is_file())
    return Found(path, "given", path.name, config_path=beside[0] if beside else None)


def _bundled(folder: Path, published: Published) -> Found | None:
    inside = bundles.find_in_bundle(folder, published)
    if inside is None:
        return None
    path, entry = inside
    repo, revision = str(entry["repo"]), entry.get("revision")
    top = folder / bundles.entry_name(repo, "")
    configs = [p for name in published.config_files if (p := top / name).is_file()]
    return Found(
        path, "bundle", path.relative_to(top).as_posix(), published.licence, repo, revision,
        configs[0] if configs else None, published.sha256 or entry.get("sha256"),
    )  # fmt: skip


def _fetched(published: Published, cache: Path, offline: bool, say: Say, watch: hub.Watch | None = None) -> Found:
    """Take a checkpoint from the cache, or from the hub into the cache."""
    for repo, file in published.places:
        if path := hub.cached(repo, file, published.revision, cache):
            configs = (hub.cached(repo, name, published.revision, cache) for name in published.config_files)
            config = next((config for config in configs if config), None)
            return _of_cache(path, "cache", repo, file, published, config)
    if offline or hub.offline_by_environment():
        why = "--offline" if offline else "HF_HUB_OFFLINE"
        message = (
            f"{published.repos[0]}/{published.files[0]} is neither bundled nor cached, and {why} forbids a download"
        )
        raise HubError("offline", message, hint=hub.WAYS_ON)
    path, repo, file = hub.download(published, cache, say, watch)
    configs = (hub.download_beside(published, repo, name, cache) for name in published.config_files)
    config = next((config for config in configs if config), None)
    return _of_cache(path, "download", repo, file, published, config)


def _of_cache(
    path: Path, source: Literal["cache", "download"], repo: str, file: str, published: Published, config: Path | None
) -> Found:
    # …/snapshots/COMMIT/FILE, and FILE may lie in a folder of the repository
    commit = path.parents[len(Path(file).parts) - 1].name
    return Found(path, source, file, published.licence, repo, commit, config, published.sha256)


def _config_name(found: Found, published: Published) -> str:
    """Return the name of a configuration file inside its repository."""
    assert found.config_path is not None
    posix = found.config_path.as_posix()
    return next(name for name in published.config_files if posix.endswith(f"/{name}"))


def _cache(cache_dir: Path | str | None) -> Path:
    return Path(cache_dir).expanduser() if cache_dir is not None else hub.cache_folder()
