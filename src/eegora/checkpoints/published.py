"""Where a published checkpoint can be had, as data. Imports nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Published:
    """A published checkpoint.

    Parameters
    ----------
    repos : tuple of str
        Hugging Face repositories that hold it, in the order to try.
    files : tuple of str
        Names inside the repository, in the order to try.
    licence : str
        In words, as shown to the user.
    size : int
        Bytes.
    revision : str or None
        Commit to ask for; None for the repository's newest.
    sha256 : str or None
        Of the file; None if nobody could record it yet.
    config_files : tuple of str
        Configuration files to fetch with it where the repository has them.
    """

    repos: tuple[str, ...]
    files: tuple[str, ...]
    licence: str
    size: int
    revision: str | None = None
    sha256: str | None = None
    config_files: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """(repository, file) in the order to try."""
        return tuple((repo, file) for repo in self.repos for file in self.files)

    def at(self, repo: str | None = None, revision: str | None = None) -> Published:
        """Return the same checkpoint elsewhere: in the user's own repository, or at another revision."""
        elsewhere = replace(self, repos=(repo,), revision=None) if repo else self
        return replace(elsewhere, revision=revision) if revision else elsewhere


@dataclass(frozen=True)
class Elsewhere:
    """Where to look for a published checkpoint instead of its usual places; what is None stays as published.

    Parameters
    ----------
    repo, revision : str or None
        A repository on the hub, a commit or branch of it.
    cache_dir : path-like or None
        The hub client's cache.
    bundle : path-like or None
        A folder made by `eegora fetch --to`.
    """

    repo: str | None = None
    revision: str | None = None
    cache_dir: Path | str | None = None
    bundle: Path | str | None = None
