"""Evidence files: what they keep, how they grow, and the table that is made of them."""

from __future__ import annotations

import json

import pytest

from eegora.errors import UsageError
from eegora.parity.evidence import evidence_table, read_evidence, write_evidence
from eegora.parity.run import run_vectors


@pytest.fixture
def report(bench, reference):
    return lambda: run_vectors(bench.write(), code=None, reference=reference, load=bench.load)


def test_evidence_holds_every_stage_and_no_folder(report, bench, tmp_path):
    path = tmp_path / "evidence" / "small.json"
    found = report()
    write_evidence(found, path)
    entry = read_evidence(path)["vectors.safetensors"]
    assert set(entry["cases"]["a"]["stages"]) == {"rows", "sum", "y"}
    assert set(entry["cases"]["a"]["stages"]["y"]) == {"float64", "float32"}
    assert entry["cases"]["a"]["ok"] is True
    assert str(bench.folder) not in path.read_text()
    before = path.read_bytes()
    write_evidence(found, path)
    assert path.read_bytes() == before


def test_another_file_is_added_and_the_same_file_replaced(report, bench, tmp_path):
    path = tmp_path / "small.evidence.json"
    path.write_text(json.dumps({"other.safetensors": {"sha256": "", "versions": {}, "cases": {}}}))
    write_evidence(report(), path)
    assert set(read_evidence(path)) == {"other.safetensors", "vectors.safetensors"}
    bench.cases = {"renamed": bench.cases["a"]}
    bench.tensors["a.y"][0, 0] += 1e-2
    write_evidence(report(), path)
    cases = read_evidence(path)["vectors.safetensors"]["cases"]
    assert set(cases) == {"renamed"}
    assert cases["renamed"]["ok"] is False


def test_the_table_tells_pass_from_fail(report, bench, tmp_path):
    path = tmp_path / "small.evidence.json"
    write_evidence(report(), path)
    table = evidence_table(read_evidence(path)).splitlines()
    assert len(table) == 3
    assert table[2].startswith("| `vectors.safetensors` | 1 | 3 | ")
    assert table[2].count("×") == 2
    assert table[2].endswith("| all pass |")
    bench.cases["b"] = bench.cases["a"] | {"task": "crash"}
    write_evidence(report(), path)
    assert evidence_table(read_evidence(path)).splitlines()[2].endswith("| 1 of 2 cases fail |")


def test_a_file_that_is_something_else_is_not_overwritten(report, tmp_path):
    for text in ("not json", "[1]", '{"a": 1}'):
        path = tmp_path / "notes.json"
        path.write_text(text)
        with pytest.raises(UsageError, match="no parity evidence"):
            write_evidence(report(), path)
        assert path.read_text() == text
