"""The peers' own Python environment: what is installed there, and how it is made when it is missing. Never imported from.

Which packages: what the model folders' ``peer.py`` ask for. One of them brings torchaudio, whose wheel needs CUDA libraries and
breaks beside a CPU torch; no model uses it, so names that can be imported stand in its place (spec performance.md, section 6).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from eegora import registry
from eegora.benchmark.peers import peer_module
from eegora.errors import UsageError

STAND_IN = {
    "__init__.py": "from . import functional, transforms\n",
    "functional.py": "def fftconvolve(*_, **__):\n    raise RuntimeError('this torchaudio is a stand-in')\n\n\n"
    "filtfilt = lfilter = resample = fftconvolve\n",
    "transforms.py": "import torch\n\n\nclass Resample(torch.nn.Module):\n    pass\n\n\n"
    "class Spectrogram(Resample):\n    pass\n\n\nclass MelSpectrogram(Resample):\n    pass\n",
}
Run = Callable[[Sequence[str]], None]


def peers_folder() -> Path:
    """Return where the environment lies: one for every version of torch, since both sides must have the same."""
    from platformdirs import user_cache_path

    return user_cache_path("eegora") / f"peers-torch-{_torch()}"


def peers_python(say: Callable[[str], None], folder: Path | None = None, run: Run | None = None) -> Path:
    """Return the Python of the peers' environment; make it, announced, if it is not there whole.

    Parameters
    ----------
    say : callable
        Told once, before anything is installed.
    folder : path, optional
        Default: `peers_folder`.
    run : callable, optional
        Runs one command; for tests.

    Raises
    ------
    UsageError
        ``no_peer`` with the last line of what failed.
    """
    folder, run = folder or peers_folder(), run or _run
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    together, alone = _asked_for("INSTALL"), _asked_for("ALONE")
    done, wanted = folder / "complete.json", [f"torch=={_torch()}", *together, *alone]
    if done.exists() and json.loads(done.read_text()) == wanted and python.exists():
        return python
    say(f"making the peers' environment in {folder}: {', '.join(wanted)}; about 2 GB, some minutes")
    if folder.exists():
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _new_environment(folder, run)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    run([*pip, "install", f"torch=={_torch()}", *together])
    run([*pip, "uninstall", "--yes", "torchaudio"])
    run([*pip, "install", "--no-deps", *alone])
    for name, text in STAND_IN.items():
        path = _packages(folder) / "torchaudio" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    done.write_text(json.dumps(wanted))
    return python


def _asked_for(which: str) -> list[str]:
    modules = (peer_module(folder) for folder in registry.specs())
    return sorted({package for module in modules for package in getattr(module, which, ())})


def _new_environment(folder: Path, run: Run) -> None:
    ways = (
        [sys.executable, "-m", "venv", str(folder)],
        ["uv", "venv", "--quiet", "--seed", "--python", sys.executable, str(folder)],
        [sys.executable, "-m", "virtualenv", "--quiet", str(folder)],
    )
    for way in ways[:-1]:
        try:
            return run(way)
        except UsageError:  # this Python has no venv, or there is no uv
            shutil.rmtree(folder, ignore_errors=True)
    return run(ways[-1])


def _packages(folder: Path) -> Path:
    found = sorted(folder.glob("lib/python*/site-packages")) or [folder / "Lib" / "site-packages"]
    return found[0]


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        raise UsageError("no_peer", f"{command[0]} could not be started: {error}") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise UsageError(
            "no_peer",
            f"the peers' environment cannot be made: `{' '.join(command[1:6])} …` failed: {said[-1]}",
            hint="--peers with the Python of an environment of your own",
        )


def _torch() -> str:
    from importlib.metadata import version

    return version("torch").split("+")[0]
