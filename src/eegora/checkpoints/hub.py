"""The Hugging Face hub through its own client: asked once whether it is there, then quietly, with the environment read at every call.

Which checkpoint is wanted, and when the hub may be asked, it leaves to `resolve`.
"""

from __future__ import annotations

import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eegora.checkpoints.published import Published
from eegora.errors import CheckpointError, EegoraError, HubError, UsageError

PROBE_SECONDS = 3.0
TRUE = ("1", "on", "yes", "true")
WAYS_ON = (
    "give --checkpoint FILE; or --untrained [--seed N] for a run with random parameters;"
    " or run `eegora fetch MODEL` where the hub can be reached"
)

_ONE_AT_A_TIME = threading.Lock()  # the client's settings are global
PLAIN = re.compile(r"[0-9A-Za-z_-]{1,128}")  # what a commit or an ETag may be: the client names files after them
GATED = "its terms must be accepted first"

Watch = Callable[[int, int], None]  # (bytes so far, bytes in all)


def endpoint() -> str:
    """Return the hub's address (HF_ENDPOINT)."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def cache_folder() -> Path:
    """Return the client's cache (HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME), as the environment says now.

    The client itself reads these variables only once, when it is imported.
    """
    env = os.environ.get
    home = env("HF_HOME") or os.path.join(env("XDG_CACHE_HOME") or os.path.join("~", ".cache"), "huggingface")
    cache = env("HF_HUB_CACHE") or env("HUGGINGFACE_HUB_CACHE") or os.path.join(home, "hub")
    return Path(os.path.expandvars(os.path.expanduser(cache)))


def offline_by_environment() -> bool:
    """Tell whether HF_HUB_OFFLINE forbids the network."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in TRUE


def cached(repo: str, file: str, revision: str | None, cache: Path) -> Path | None:
    """Return a file of the client's cache, without any request."""
    with _client() as hub:
        try:
            found = hub.try_to_load_from_cache(repo, file, cache_dir=cache, revision=revision)
        except ValueError as error:  # its HFValidationError, or a file name that leads out of the cache
            raise UsageError(
                "bad_repo",
                f"{repo}: not a repository's name, or {file} not a file's ({_brief(error)})",
                hint="OWNER/NAME",
            ) from None
    return Path(found) if isinstance(found, str) else None


def download(
    published: Published, cache: Path, say: Callable[[str], None], watch: Watch | None = None
) -> tuple[Path, str, str]:
    """Download into the client's cache, from the first place that has the file.

    Parameters
    ----------
    published : Published
    cache : Path
    say : callable
        Gets one line before the download: repository, size, licence.
    watch : callable, optional
        Gets the bytes so far and in all.

    Returns
    -------
    path : Path
    repo, file : str
        Where it was.

    Raises
    ------
    HubError
        ``hub_unreachable``, ``hub_refused`` (a token is needed), ``not_on_hub`` (no place has it), ``bad_hub`` (its answer
        would lead out of the cache).
    CheckpointError
        ``cannot_store`` if the cache cannot hold it.
    """
    absent: dict[str, str] = {}
    with _client() as hub:
        _probe(hub)
        for repo, file in published.places:
            try:
                about = _ask(hub, published, repo, file, cache, dry_run=True)
                size = about.file_size or published.size
                say(f"downloading {file} from {repo} ({size / 1e6:.1f} MB, licence: {published.licence})")
                path = _ask(hub, published, repo, file, cache, tqdm_class=_bar(watch))
                return Path(path), repo, file
            except EegoraError:
                raise
            except Exception as error:  # the client's transport has its own exceptions, and changes it between versions
                reason = _absence(hub, error)
                if reason is None:
                    raise _failed(hub, error, f"{repo}/{file}", cache) from None
                absent[f"{repo}/{file}"] = reason
    places = ", ".join(f"{place}: {reason}" for place, reason in absent.items())
    if GATED in absent.values():
        hint = f"accept its terms at {endpoint()}/{published.repos[0]} and set HF_TOKEN; or {WAYS_ON}"
        raise HubError("hub_refused", f"{endpoint()} does not hand out the checkpoint ({places})", hint=hint)
    hint = f"name another place with --repo and --revision, set HF_TOKEN if it is private; or {WAYS_ON}"
    raise HubError("not_on_hub", f"{endpoint()} does not have the checkpoint ({places})", hint=hint)


def download_beside(published: Published, repo: str, file: str, cache: Path) -> Path | None:
    """Download a small file of the same repository; None if it has none."""
    with _client() as hub:
        try:
            return Path(_ask(hub, published, repo, file, cache))
        except EegoraError:
            raise
        except Exception as error:
            if _absence(hub, error) is not None:
                return None
            raise _failed(hub, error, f"{repo}/{file}", cache) from None


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Keep other processes out as long as this one holds a lock file, by the client's own means."""
    with _client():
        from huggingface_hub.utils import WeakFileLock
    with WeakFileLock(lock):
        yield


def _ask(hub: Any, published: Published, repo: str, file: str, cache: Path, **options: Any) -> Any:
    return hub.hf_hub_download(
        repo, file, revision=published.revision, cache_dir=cache, endpoint=endpoint(), library_name="eegora",
        **({"tqdm_class": _bar(None)} | options),
    )  # fmt: skip


@contextmanager
def _client() -> Iterator[Any]:
    """Lend the client without its chatter, whatever the environment was when it was first imported.

    No telemetry. No xet, whose second protocol has its own hosts, retries and progress lines: plain HTTP delivers the
    same bytes. HF_HUB_OFFLINE is obeyed by `resolve`, as it stands at the call. Every answer that it names files after is
    looked at first: it would follow an ETag of ``../../..`` out of the cache.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings(action="ignore"):
        import huggingface_hub as hub
        import huggingface_hub.errors
        from huggingface_hub import constants, file_download
        from huggingface_hub.utils import logging

        wanted = {
            "HF_HUB_DISABLE_TELEMETRY": True,
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_DISABLE_SYMLINKS_WARNING": True,
            "HF_HUB_OFFLINE": False,
        }
        before = {name: getattr(constants, name) for name in wanted if hasattr(constants, name)}
        verbosity = logging.get_verbosity()
        logging.set_verbosity(logging.CRITICAL)
        ask = file_download.get_hf_file_metadata
        file_download.get_hf_file_metadata = _looked_at(ask)
        try:
            for name in before:
                setattr(constants, name, wanted[name])
            yield hub
        finally:
            file_download.get_hf_file_metadata = ask
            for name, value in before.items():
                setattr(constants, name, value)
            logging.set_verbosity(verbosity)


def _looked_at(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Return the client's question about a file, which refuses an answer with names that could not be a file's.

    Also that a file is absent is remembered under the commit that the answer names.
    """

    def asked(*args: Any, **options: Any) -> Any:
        try:
            about = ask(*args, **options)
        except Exception as error:
            headers = getattr(getattr(error, "response", None), "headers", {})
            _check_names(headers.get("x-repo-commit"))
            raise
        _check_names(about.etag, about.commit_hash)
        return about

    return asked


def _check_names(*names: str | None) -> None:
    for name in names:
        if name is not None and not PLAIN.fullmatch(name):
            raise HubError(
                "bad_hub",
                f"refused: {endpoint()} answers with {name[:60]!r} where the name of a commit or a content belongs",
                hint="check HF_ENDPOINT",
            )


def _probe(hub: Any) -> None:
    """Ask the hub for a sign of life; unprobed, the client retries each location for half a minute.

    Raises
    ------
    HubError
        ``hub_unreachable`` after `PROBE_SECONDS` at most.
    """
    outcome: list[str] = []

    def ask() -> None:
        try:
            hub.utils.get_session().request("HEAD", endpoint(), timeout=PROBE_SECONDS)
            outcome.append("")
        except Exception as error:
            outcome.append(_brief(error) or type(error).__name__)

    # In a thread, because looking up a name has no timeout of its own.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    problem = outcome[0] if outcome else f"no answer within {PROBE_SECONDS:.0f} s"
    if problem:
        raise _unreachable(f"cannot be reached ({problem})")


def _absence(hub: Any, error: Exception) -> str | None:
    """Return why a place does not have the file, so that the next one may be tried; None if something else is wrong."""
    if isinstance(error, hub.errors.LocalEntryNotFoundError):  # despite its name: the hub's answer was no answer
        return None
    reasons = (
        (hub.errors.GatedRepoError, GATED),
        (hub.errors.RepositoryNotFoundError, "no such repository, or a private one"),
        (hub.errors.RevisionNotFoundError, "no such revision"),
        (hub.errors.EntryNotFoundError, "no such file"),
    )
    return next((reason for kind, reason in reasons if isinstance(error, kind)), None)


def _unreachable(what: str) -> HubError:
    return HubError("hub_unreachable", f"the hub {endpoint()} {what}", hint=WAYS_ON)


def _failed(hub: Any, error: Exception, what: str, cache: Path) -> CheckpointError:
    """Translate what else the client raises."""
    http = isinstance(error, hub.errors.HfHubHTTPError | hub.errors.LocalEntryNotFoundError)
    if isinstance(error, OSError) and error.errno is not None and not http:
        message = f"{cache}: cannot hold {what} ({error.strerror})"
        return CheckpointError("cannot_store", message, hint="name another folder with HF_HUB_CACHE")
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    if response is not None and response.status_code in (401, 403):
        return HubError(
            "hub_refused", f"the hub refuses {what} ({_brief(error)})", hint=f"check HF_TOKEN; or {WAYS_ON}"
        )
    return _unreachable(f"did not deliver {what} ({_brief(error)})")


def _brief(error: BaseException) -> str:
    """Return the first line of what the client says."""
    cause = error.__cause__ if error.__cause__ is not None else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return (lines[0] if lines else type(cause).__name__)[:160]


def _bar(watch: Watch | None) -> type:
    """Return a stand-in for the client's progress bar that tells `watch`."""

    class Bar:
        def __init__(self, *_: object, total: int | None = None, initial: int = 0, **__: object) -> None:
            self.total, self.n = total or 0, initial

        def update(self, n: int | None = 1) -> None:
            self.n += n or 0
            if watch is not None:
                watch(self.n, self.total)

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            return None

    return Bar
