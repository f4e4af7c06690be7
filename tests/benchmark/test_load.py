"""The measures of loading measure what they say; how fast a machine is, no test knows."""

from __future__ import annotations

import json
import os
from pathlib import Path

from eegora import registry
from eegora.benchmark import load


def smallest() -> str:
    """The published variant with the fewest numbers."""
    sizes = {registry.full_name(s, v): v.parameters for s in registry.specs().values() for v in s.variants}
    return min(sizes, key=lambda name: sizes[name])


def test_a_small_checkpoint_is_judged_by_its_first_embedding() -> None:
    (row,) = load.rows([smallest()], runs=1)
    assert json.loads(json.dumps(row)) == row
    assert row["float32_bytes"] / 1.5 < row["bytes"] < row["float32_bytes"] * 1.5
    assert min(row[f"{what}_ms"] for what in ("read", "load", "model", "first")) > 0
    assert row["ratio"] == row["ratio_range"][0] == row["ratio_range"][1]
    assert row["model_ms"] > row["read_ms"]
    assert row["bars"] == {"first_ms": 1200.0}
    assert row["holds"] is (row["first_ms"] < 1200)


def test_the_peak_outlives_what_made_it() -> None:
    block = bytearray(os.urandom(1)) * 50_000_000
    held = load._held()
    del block
    assert held > 50_000_000
    assert load._held() < held - 30_000_000
    assert load._peak() > held - 5_000_000  # the system counts in steps


def test_the_file_is_what_the_model_publishes(tmp_path: Path) -> None:
    name = smallest()
    path, config = load.synthetic_checkpoint(name, tmp_path)
    _, _, variant = registry.find(name)
    assert variant is not None
    assert all(config[key] == value for key, value in variant.config.items())
    assert path.stat().st_size > 4 * 0.9 * variant.parameters
