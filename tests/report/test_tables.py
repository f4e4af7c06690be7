import json

import numpy as np
import pytest
from rich.console import Console

from eegora.checkpoints.published import Published
from eegora.recipes.recipe import Recipe, Step
from eegora.report import tables
from eegora.results.pooling import Pooling
from eegora.spec import ModelSpec, Variant


@pytest.fixture
def spec():
    recipe = Recipe("plain", (Step("cut", {"seconds": 5}, "the paper [1]"),), "five seconds")
    published = Published(("someone/agora",), ("a.safetensors",), "CC BY 4.0", 12_300_000)
    return ModelSpec(
        name="agora",
        title="Agora",
        paper="Someone, 2025",
        summary="any electrodes",
        variants=(Variant("small", {}, published, 3_000_000, ("embed",)), Variant("own", {}, None, 5, ())),
        recipes=(recipe,),
        tasks=("embed", "classify"),
        axes=("window", "feature"),
        poolings={"window": Pooling()},
    )


def printed(table, width=100):
    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_plan_lists_every_channel_with_its_reason(windows):
    lines = printed(tables.plan_table(windows.plan))
    assert lines[0] == "channels: 1 kept, 2 derived, 1 dropped"
    assert lines[2].split() == ["FP1-F7", "derived", "Fp1", "F7"]
    assert lines[-1].split() == ["–", "dropped", "Oz", "not", "in", "the", "recipe"]


def test_electrodes_are_in_millimetres():
    lines = printed(tables.electrode_table(("Cz", "X1"), np.array([[-0.0014, 0.0276, 0.1402], [np.nan] * 3])))
    assert lines[-2].split() == ["0", "Cz", "-1.4", "27.6", "140.2"]
    assert lines[-1].split() == ["1", "X1", "unknown", "unknown", "unknown"]


def test_top_channels_have_a_row_per_query(attention):
    lines = printed(tables.top_channels_table(attention, 2))
    assert lines[0] == "attention: top 2 channels per query"
    assert lines[-2].split() == ["1", "FP1-F7", "0.700", "F7-T3", "0.200"]
    assert lines[-1].split() == ["2", "CZ", "0.800", "FP1-F7", "0.100"]


def test_a_recipe_shows_options_and_sources(spec):
    lines = printed(tables.recipe_table(spec.recipes[0]))
    assert lines[0] == "plain: five seconds"
    assert lines[-1].split("  ")[0] == "1"
    assert "cut" in lines[-1]
    assert "seconds = 5" in lines[-1]
    assert "the paper [1]" in lines[-1]  # brackets are text, not markup


def test_models_narrow_and_wide(spec):
    rows = tables.model_rows([spec])
    assert [row["model"] for row in rows] == ["agora-small", "agora-own"]
    assert rows[0] == {
        "model": "agora-small",
        "parameters": 3_000_000,
        "megabytes": 12.3,
        "trained": ["embed"],
        "own checkpoint": ["classify"],
    }
    assert rows[1]["megabytes"] is None
    assert printed(tables.model_table(rows))[-2].split() == ["agora-small", "3,000,000", "12.3", "embed", "classify"]
    wide = tables.model_rows([spec], wide=True)
    assert json.loads(json.dumps(wide)) == wide
    lines = [line.split(maxsplit=1) for line in printed(tables.model_table(wide), width=80)]
    assert ["licence", "CC BY 4.0"] in lines
    assert ["paper", "Someone, 2025"] in lines


def test_tables_go_where_they_are_sent(windows, capsys):
    tables.show(tables.plan_table(windows.plan), stderr=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "FP1-F7" in err
