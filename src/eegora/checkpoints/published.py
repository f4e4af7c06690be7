"""Where a published checkpoint can be had, as data. Imports nothing."""

from __future__ import annotations

from dataclasses import dataclass


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
