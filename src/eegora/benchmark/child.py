"""A function run in a process of its own, where no other's memory, imports or caches are; and what a process holds. Knows no model."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from eegora.errors import UsageError


def in_child(module: str, function: str, *arguments: Any) -> dict[str, Any]:
    """Call a module's function in a new process.

    Parameters
    ----------
    module, function : str
    *arguments
        What JSON can hold.

    Raises
    ------
    UsageError
        ``not_measured`` with the last line that the process wrote.
    """
    command = [sys.executable, "-W", "ignore", "-m", __name__, json.dumps([module, function, *arguments])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise UsageError("not_measured", f"the process that measures {arguments[0]} said: {said[-1]}")
    out: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return out


def held() -> int:
    """Return the bytes of memory that this process holds now; where nobody says, the most it held."""
    return account("status", "VmRSS") or peak()


def peak() -> int:
    """Return the most bytes of memory that this process has held; 0 where nobody says."""
    if found := account("status", "VmHWM"):
        return found
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def account(file: str, entry: str) -> int:
    """Return an entry of Linux's own account of this process in bytes; elsewhere 0."""
    try:
        lines = Path("/proc/self", file).read_text().splitlines()
    except OSError:
        return 0
    words = next((line.split()[1:] for line in lines if line.startswith(entry)), ["0"])
    return int(words[0]) * (1024 if words[1:] == ["kB"] else 1)


if __name__ == "__main__":
    module, function, *arguments = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps(getattr(import_module(module), function)(*arguments)) + "\n")
