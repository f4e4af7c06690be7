"""A peer's network in a process of its own environment, driven through a pipe. Knows no peer: ``peer.py`` of a model folder does."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from eegora.benchmark.measure import Sample
from eegora.errors import UsageError

WORKER = Path(__file__).with_name("worker.py")


class Peer:
    """A running worker.

    Parameters
    ----------
    python : path
        The interpreter of the peers' environment.
    script : path
        The model folder's ``peer.py``.
    task : str
    arguments : dict
        For its ``make``.
    device : str

    Raises
    ------
    UsageError
        ``no_peer`` with what the worker said.
    """

    def __init__(
        self, python: Path | str, script: Path, task: str, arguments: Mapping[str, Any], device: str = "cpu"
    ) -> None:
        command = [str(python), "-P", "-W", "ignore", str(WORKER)]  # -P: files beside the worker are not its modules
        # A compiler that peers call for is as slow to start as it is to gain (spec performance.md, section 6).
        surroundings = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        surroundings["TORCHDYNAMO_DISABLE"] = "1"
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env=surroundings,
            )
        except OSError as error:
            raise UsageError(
                "no_peer", f"{python} could not be started: {error}", hint="--peers with a Python interpreter"
            ) from error
        try:
            self.facts = self._ask("make", peer=str(script), task=task, arguments=dict(arguments), device=device)
        except UsageError:
            self.close()
            raise

    def feed(self, inputs: Path, threads: int) -> None:
        """Give it inputs, as a .npz file."""
        self._ask("feed", inputs=str(inputs), threads=threads)

    def run(self) -> Sample:
        """Make one run."""
        return Sample(**self._ask("run"))

    def save(self, path: Path) -> None:
        """Let it write its last result as a .npy file."""
        self._ask("save", path=str(path))

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # it had ended already
                    pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, do: str, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        answer = json.loads(line) if line else {"error": "it ended"}
        if "error" in answer:
            raise UsageError(
                "no_peer",
                f"the peer's process cannot {do}: {answer['error']}",
                hint="--peers with the Python of an environment that holds the peer",
            )
        return dict(answer)


def peer_module(folder: str) -> ModuleType | None:
    """Return a model folder's ``peer`` module, or None if it has none."""
    place = Path(str(import_module(f"eegora.models.{folder}").__file__))
    return import_module(f"eegora.models.{folder}.peer") if place.with_name("peer.py").exists() else None
