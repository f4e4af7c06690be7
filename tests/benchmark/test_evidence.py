"""A machine's file holds each section once, is never half-written over something else, and can be held beside another's."""

import json

import pytest

from eegora.benchmark import evidence, machine
from eegora.errors import UsageError

FACTS = {"cpu": "x", "cores": 2, "torch": "2", "load": 0.1, "quiet": True}
ROW = {
    "name": "m",
    "batch": 1,
    "threads": 1,
    "device": "cpu",
    "dtype": "float32",
    "ms": {"median": 2.0, "min": 1.0, "max": 3.0},
}


def section(*rows):
    return {"settings": {}, "load": 0.1, "quiet": True, "rows": list(rows)}


def test_a_section_takes_the_place_of_its_like(tmp_path):
    path = tmp_path / "folder" / "e.json"
    evidence.put(path, FACTS, {"latency": section(ROW), "batch": section(ROW)})
    evidence.put(path, FACTS | {"load": 9.0}, {"latency": section(ROW, ROW)})
    found = evidence.read(path)["sections"]
    assert [len(found[name]["rows"]) for name in ("latency", "batch")] == [2, 1]


def test_another_machines_sections_do_not_stay(tmp_path):
    path = tmp_path / "e.json"
    evidence.put(path, FACTS, {"latency": section(ROW)})
    evidence.put(path, FACTS | {"cpu": "y"}, {"batch": section(ROW)})
    assert set(evidence.read(path)["sections"]) == {"batch"}


@pytest.mark.parametrize("text", ["{", "[]", '{"runs": 3}'])
def test_another_file_is_not_replaced(tmp_path, text):
    path = tmp_path / "e.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="not touched"):
        evidence.put(path, FACTS, {})
    assert path.read_text() == text


def test_machines_are_held_beside_each_other(tmp_path):
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    other = ROW | {"device": "cuda:0", "ms": {"median": 0.5, "min": 0.4, "max": 0.6}}
    evidence.put(one, FACTS, {"latency": section(ROW, ROW | {"batch": 8})})
    evidence.put(two, FACTS, {"latency": section(other)})
    first, second = evidence.beside([one, two])
    assert (first["section"], first["ms"]) == ("latency", [2.0, 0.5])
    assert second["ms"] == [2.0, None]
    assert first["row"] == "m, batch 1, 1 thread"
    with pytest.raises(UsageError) as caught:
        evidence.beside([one, tmp_path / "none.json"])
    assert caught.value.code == "not_found"


def test_a_gpu_stands_beside_every_number_of_threads(tmp_path):
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    slow = ROW | {"threads": 2, "ms": {"median": 1.5}}
    fast = ROW | {"device": "cuda:0", "threads": None, "ms": {"median": 0.5}}
    evidence.put(one, FACTS, {"latency": section(ROW, slow)})
    evidence.put(two, FACTS, {"latency": section(fast, fast | {"dtype": "tf32"})})
    assert [(row["row"], row["ms"]) for row in evidence.beside([one, two])] == [
        ("m, batch 1, 1 thread", [2.0, 0.5]),
        ("m, batch 1, 2 threads", [1.5, 0.5]),
        ("m, batch 1, tf32", [None, 0.5]),
    ]


def test_what_was_left_out_is_said_and_no_more():
    row = {key: ROW[key] for key in ("name", "batch", "threads", "device", "dtype")}
    assert evidence.line("batch", row | {"refused": "left out: long"}) == "m, batch 1, 1 thread: left out: long"


def test_lines_say_the_ratio_the_bar_and_who_was_in_the_way():
    row = {
        "name": "m",
        "batch": 1,
        "threads": 2,
        "peer": "p 1",
        "peer_ms": 4.0,
        "ours_ms": 2.0,
        "ratio": 2.0,
        "bar": 2.5,
    }
    line = evidence.line("peers", row | {"quiet": False, "roofline": 0.5, "max_abs_diff": 1e-6})
    assert line == (
        "m, batch 1, 2 threads: 2 ms against 4 of p 1; 2.00× (bar 2.5×, missed); differs by 1.0e-06;"
        " 50% of the product rate; busy machine"
    )
    assert "missed" not in evidence.line("peers", row | {"ratio": 2.6})
    assert "bar 250 ms, missed" in evidence.line(
        "peers", {"name": "z", "peer_ms": None, "ours_ms": 300.0, "bar_ms": 250.0}
    )
    assert "2 ms (1 to 3)" in evidence.line("latency", ROW)


def test_the_machine_is_described_without_its_owner():
    facts = machine.facts()
    assert {"cpu", "cores", "threads", "torch", "blas", "python", "load", "quiet"} <= set(facts)
    assert machine.slug({"cpu": "Some (R) CPU @ 2 GHz", "cores": 4}) == "some-r-cpu-2-ghz-4-cores"
    assert machine.slug({"cpu": "x", "cores": 4, "gpu": "NVIDIA H200"}) == "nvidia-h200"


def test_the_file_is_readable_json(tmp_path):
    path = tmp_path / "e.json"
    evidence.put(path, FACTS, {"latency": section(ROW | {"samples": [1.0, 2.0], "name": "[ a  b ]"})})
    assert '"samples": [1.0, 2.0]' in path.read_text()
    assert json.loads(path.read_text())["sections"]["latency"]["rows"][0]["samples"] == [1.0, 2.0]
