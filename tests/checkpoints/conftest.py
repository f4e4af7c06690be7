from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .hub import Hub, serve


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token, cache, bundle or proxy of whoever runs the tests; the hub is a port nobody listens on."""
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGING", "EEGORA_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running
