"""Every chart that a file's sections call for is drawn beside it; the README's table says what a row says."""

import numpy as np
import pytest
from PIL import Image

from eegora.report.benchmarks import CHARTS, benchmark_figures, machines_table, peers_markdown

MS = {"median": 2.0, "min": 1.0, "max": 3.0, "samples": [1.0, 2.0, 3.0]}
BASE = {
    "name": "m",
    "batch": 1,
    "threads": 1,
    "device": "cpu",
    "dtype": "float32",
    "channels": 4,
    "seconds": 5.0,
    "ms": MS,
}
PEER = {
    "name": "m 4×100",
    "peer": "p 1",
    "batch": 1,
    "threads": 2,
    "peer_ms": 4.0,
    "ours_ms": 2.0,
    "ratio": 2.0,
    "bar": 1.5,
}
ROWS = {
    "latency": [BASE, BASE | {"threads": 2}],
    "peers": [
        PEER | {"roofline": 0.5, "max_abs_diff": 1e-6},
        PEER | {"ratio": None, "peer": None, "peer_ms": None, "bar": None, "bar_ms": 250.0},
        {"name": "nothing but a name", "ours_ms": 1.0, "quiet": False},
    ],
    "channels": [BASE, BASE | {"channels": 8}],
    "time": [BASE, BASE | {"seconds": 10.0}],
    "batch": [BASE | {"windows_per_second": 3.0}, BASE | {"batch": 2, "windows_per_second": 5.0}],
    "load": [PEER],
    "prepare": [PEER],
    "distribution": [BASE],
    "stages": [BASE | {"stages": {"read": MS, "forward": MS}, "total_ms": 4.0, "recording_seconds": 20.0}],
    "memory": [BASE | {"run_mib": 3.0, "load_mib": 2.0, "after_imports_mib": 1.0}],
    "dtypes": [
        BASE | {"dtype": "bfloat16", "pairs": [[0.0, 0.1], [1.0, 1.1]], "error_counts": [1] * 52},
        {"name": "m", "dtype": "tf32", "refused": "no such format"},
    ],
}
WHOLE = {
    "machine": {"cpu": "CPU", "cores": 2, "torch": "2.13"},
    "sections": {name: {"rows": rows} for name, rows in ROWS.items()},
}


def test_there_is_a_chart_of_every_kind(tmp_path):
    drawn = benchmark_figures(tmp_path / "x.json", WHOLE)
    assert [path.name for path in drawn] == [f"x-{name}.png" for name in CHARTS]
    for path in drawn:
        with Image.open(path) as image:
            assert np.asarray(image).std() > 1, path


def test_what_was_not_measured_is_not_drawn(tmp_path):
    part = WHOLE | {"sections": {"batch": WHOLE["sections"]["batch"], "load": {"rows": []}}}
    assert [path.name for path in benchmark_figures(tmp_path / "x.json", part)] == ["x-batch.png"]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_names_the_machine(name):
    section, draw = CHARTS[name]
    rows = [row for row in ROWS[section] if "refused" not in row]
    figure = draw(rows, "a machine")
    texts = [text.get_text() for text in figure.texts] + [
        axes.get_title(loc) for axes in figure.axes for loc in ("left", "center")
    ]
    assert any("a machine" in text for text in texts)


def test_the_readme_table():
    text = peers_markdown(WHOLE)
    assert "| m 4×100 | 1 | 2 | p 1 | 4 | 2 | 2.00× | 1.5× | 50% | 1e-06 |" in text
    assert "| m 4×100 | 1 | 2 | – | – | 2 | – | 250 ms | – | – |" in text
    assert "busy in 1 of 3 rows" in text


def test_machines_side_by_side():
    table = machines_table(
        ["a", "b"],
        [{"cpu": "x", "cores": 2, "torch": "2"}, {"cpu": "x", "gpu": "y", "torch": "3"}],
        [{"section": "latency", "row": "m", "ms": [3.0, 1.5]}, {"section": "x", "row": "y", "ms": [None, 1.0]}],
    )
    assert [list(column.cells) for column in table.columns][2:] == [["3", "–"], ["1.5 (2.00×)", "1"]]
    assert "A  a: x, 2 cores, torch 2\nB  b: y, torch 3\n" in str(table.title)
