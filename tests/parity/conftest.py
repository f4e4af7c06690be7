"""A model of one linear layer, its manifest, and a vector file written by hand from plain NumPy."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from eegora.checkpoints.synthetic import synthetic_tensor

SHAPES = {"weight": ((4, 6), "matrix"), "bias": ((4,), "bias")}


@dataclass
class Bench:
    """A folder with vectors and a manifest; `write` puts what tests changed on disk."""

    folder: Path
    cases: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    layout: str = "eegora-vectors-1"
    loads: list[tuple[dict[str, Any], str]] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.folder / "vectors.safetensors"

    def write(self) -> Path:
        metadata = {
            "layout": self.layout,
            "cases": json.dumps(self.cases),
            "reference_float32_error": json.dumps(self.error),
            "note for people": "not read",
        }
        save_file(self.tensors, self.path, metadata=metadata)
        return self.path

    def load(self, checkpoint: Path, config: Path, dtype: str) -> SimpleNamespace:
        """Load as the ordinary loader would, and note what was asked for."""
        fields = json.loads(config.read_text())
        self.loads.append((fields, dtype))
        network = torch.nn.Linear(6, 4).to(getattr(torch, dtype))
        state = {key: torch.from_numpy(value) for key, value in load_file(checkpoint).items()}
        network.load_state_dict({key: state[key] for key in ("weight", "bias")})
        return SimpleNamespace(network=network, config=fields)


def run_case(case, tensors, network, config, dtype):
    if case.task == "crash":
        raise RuntimeError("no such\nlayer")
    if case.task == "double":
        return {"y": 2 * tensors["x"], "words": ["a", ("b", 1.5)]}
    x = torch.from_numpy(tensors["x"]).to(getattr(torch, dtype))
    y = network(x) * config.get("gain", 1)
    return {"y": y.numpy(), "rows": np.arange(len(x)), "sum": y.sum(-1).numpy(), "nan": y.numpy() * np.nan}


@pytest.fixture
def reference() -> SimpleNamespace:
    return SimpleNamespace(run_case=run_case, LOADING=("gain",))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """One case `a` of 40 rows: y in float64 with an error of the original's, sum without, rows as integers."""
    x = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)
    weight = {key: synthetic_tensor(key, *entry).astype(np.float64) for key, entry in SHAPES.items()}
    y = x.astype(np.float64) @ weight["weight"].T + weight["bias"]
    manifest = {
        "name": "small",
        "config": {"width": 6},
        "tensors": {key: {"shape": shape, "init": rule} for key, (shape, rule) in SHAPES.items()},
    }
    (tmp_path / "small.json").write_text(json.dumps(manifest))
    bench = Bench(tmp_path)
    bench.tensors = {"a.x": x, "a.y": y[:, ::3].copy(), "a.sum": y.sum(-1), "a.rows": np.arange(40)}
    bench.error = {"a.y": {"max_abs": 4e-7, "rmse": 1e-7, "std": 1.0}}
    expected = {"y": {"tensor": "a.y", "take": "[:, ::3]"}, "sum": "a.sum", "rows": "a.rows"}
    bench.cases = {
        "a": {"manifest": "small", "task": "embed", "options": {}, "inputs": {"x": "a.x"}, "expected": expected}
    }
    return bench
