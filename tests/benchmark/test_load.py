"""The measures of loading measure what they say; how fast a machine is, no test knows."""

from __future__ import annotations

import json
from pathlib import Path

from eegora import registry
from eegora.benchmark import load
from eegora.benchmark.memory import checkpoint
from eegora.benchmark.subject import What, known


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


def test_nothing_is_measured_once_more_when_time_is_up() -> None:
    (row,) = load.rows([smallest()], runs=4, seconds=0.0)
    assert row["first_ms_range"] == [row["first_ms"]] * 2


def test_the_file_is_what_the_model_publishes() -> None:
    name = smallest()
    with checkpoint(name) as path:
        _, _, variant = registry.find(name)
        assert variant is not None
        config = known(What(name))
        assert all(config[key] == value for key, value in variant.config.items())
        assert path.stat().st_size > 4 * 0.9 * variant.parameters
    assert not path.exists()


def test_a_users_checkpoint_is_left_where_it_is(tmp_path: Path) -> None:
    with checkpoint("any", tmp_path) as path:
        assert path == tmp_path
    assert tmp_path.exists()
