"""A bundle: a folder of checkpoints that one can carry to a machine without network, ``REPO--WITH--DASHES/FILE`` and bundle.json.

What belongs into it, and when it is looked into, it leaves to `resolve`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from eegora.checkpoints.hub import one_at_a_time
from eegora.checkpoints.published import Published
from eegora.checkpoints.read import sha256_of
from eegora.errors import CheckpointError
from eegora.whole import as_text, write_whole

CONTENTS = "bundle.json"


def entry_name(repo: str, file: str) -> str:
    """Return where a file lies inside a bundle."""
    return f"{repo.replace('/', '--')}/{file}"


def find_in_bundle(bundle: Path, published: Published) -> tuple[Path, Mapping[str, Any]] | None:
    """Look for a checkpoint in a bundle.

    Returns
    -------
    (path, entry) or None
        `entry` is what bundle.json says of the file: sha256, licence, repo, revision.

    Raises
    ------
    CheckpointError
        ``not_found`` if there is no such folder, ``bad_bundle`` if its bundle.json is damaged.
    """
    if not bundle.is_dir():
        raise CheckpointError(
            "not_found", f"{bundle}: there is no such bundle folder", hint="check --bundle, or EEGORA_BUNDLE"
        )
    entries = _contents(bundle)
    for repo, file in published.places:
        name = entry_name(repo, file)
        if (path := bundle / name).is_file():
            return path, entries.get(name) or {"repo": repo}
    return None


def add_to_bundle(bundle: Path, source: Path, file: str, entry: Mapping[str, Any]) -> Path:
    """Copy a file into a bundle, unchanged, whole or not at all.

    Parameters
    ----------
    bundle : Path
        Made if need be.
    source : Path
    file : str
        The file's name inside its repository.
    entry : dict
        For bundle.json, with at least ``repo`` and ``sha256``.

    Raises
    ------
    CheckpointError
        ``cannot_store``, ``bad_bundle``, or ``wrong_checksum`` if the copy differs.
    """
    name = entry_name(str(entry["repo"]), file)
    path = bundle / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda temporary: _copy_checked(source, temporary, str(entry["sha256"])))
        with one_at_a_time(bundle / f".{CONTENTS}.lock"):
            entries = dict(sorted({**_contents(bundle), name: {**entry, "size": path.stat().st_size}}.items()))
            text = json.dumps({"files": entries}, indent=2) + "\n"
            write_whole(bundle / CONTENTS, as_text(text))
    except OSError as error:
        raise CheckpointError("cannot_store", f"{bundle}: cannot hold {name} ({error.strerror or error})") from None
    return path


def _contents(bundle: Path) -> dict[str, dict[str, Any]]:
    path = bundle / CONTENTS
    if not path.is_file():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["files"]
        found = {str(name): dict(entry) for name, entry in entries.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError("bad_bundle", f"{path}: damaged ({error})", hint="make the bundle again") from None
    for name, entry in found.items():
        _check_inside(path, name, entry.get("repo"))
    return found


def _check_inside(path: Path, name: str, repo: object) -> None:
    """Refuse an entry that leads out of the bundle, or does not lie where its repository's files do."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    inside = bool(parts) and ".." not in parts and not PurePosixPath(parts[0]).is_absolute() and ":" not in name
    if not inside or not isinstance(repo, str) or not name.startswith(entry_name(repo, "")):
        raise CheckpointError(
            "bad_bundle",
            f"{path}: refused, its entry {name!r} (repository {repo!r}) does not lie inside the bundle",
            hint="make the bundle again with `eegora fetch MODEL --to DIR`",
        )


def _copy_checked(source: Path, target: Path, sha256: str) -> None:
    shutil.copyfile(source, target)
    if sha256_of(target) != sha256:
        raise CheckpointError("wrong_checksum", f"{source}: changed while it was copied", hint="fetch it again")
