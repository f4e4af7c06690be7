"""The sentence, the table and the files of a score, on rows written by hand."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from pyarrow import parquet

from eegora.errors import UsageError
from eegora.provenance import Provenance
from eegora.results.score import IMPUTED, Score, won

NAMES = ("Cz", "O1", "O2", "Fz")


def row(channel, method, nmse, r=0.5, kind="channel", **more):
    first = {
        "kind": kind,
        "hidden": channel,
        "channel": channel,
        "area": "occipital" if channel[0] == "O" else "central",
    }
    last = {"start": 0.0, "stop": 60.0, "run": 0, "hidden_at_once": 2, "method": method, "won": False, "n_samples": 100}
    snr = math.inf if nmse == 0 else -10 * math.log10(nmse)
    numbers = {"nmse": nmse, "r": r, "snr_db": snr, "spectral": 0.1, "delta": 0.1, "gamma": math.nan}
    return {**first, **last, **numbers, **more}


def scored(errors, methods=("Model", "spherical spline", "zeros"), **fields):
    """Rows of a table of errors: a line per channel, a column per method."""
    rows = []
    for channel, line in zip(NAMES, errors, strict=False):
        some = [row(channel, m, e, r=1 - e / 2) for m, e in zip(methods, line, strict=True)]
        rows += [{**one, "won": is_won} for one, is_won in zip(some, won(some), strict=True)]
    record = Provenance("night.edf", "model", "small", "score", versions={"eegora": "0"})
    made = Score(
        tuple(rows), methods, (), NAMES, np.zeros((4, 3)), (5.0, 65.0), 250.0, "limited to 1 to 40 Hz", False, record
    )
    return replace(made, **fields)


def test_the_winner_is_named_with_its_count_and_medians():
    score = scored([(0.4, 0.2, 1), (0.5, 0.1, 1), (0.2, 0.3, 1)])
    assert score.sentence == (
        "On this recording spherical spline was better in 2 of 3 hidden channels than Model"
        f" (median r 0.90 against 0.80, NMSE 0.20 against 0.40). {IMPUTED}"
    )


def test_the_model_may_win():
    said = scored([(0.1, 0.2, 1), (0.1, 0.5, 1)]).sentence
    assert said.startswith("On this recording Model was better in 2 of 2 hidden channels than spherical spline (median")


def test_equal_is_said_to_be_equal():
    said = scored([(0.1, 0.2, 1), (0.2, 0.1, 1), (0.3, 0.3, 1)]).sentence
    assert said.startswith("On this recording Model and spherical spline were each better in 1 of 3 hidden channels")


def test_a_third_method_that_wins_most_often_is_named():
    methods = ("Model", "spherical spline", "nearest neighbour")
    said = scored([(0.3, 0.4, 0.1), (0.3, 0.4, 0.1), (0.3, 0.4, 0.5)], methods).sentence
    assert "Model was better in 3 of 3" in said
    assert "Of all methods nearest neighbour won most often (2)." in said


def test_worse_than_zeros_is_said():
    assert "Model did worse than a line of zeros in 2 (NMSE above 1)." in scored([(2, 0.4, 1), (3, 0.4, 1)]).sentence
    assert "worse than" not in scored([(0.9, 0.4, 1), (3, 0.4, 1)]).sentence


def test_an_untrained_model_neither_wins_nor_loses():
    said = scored([(0.1, 0.2, 1), (0.1, 0.5, 1)], meaningless=True).sentence
    assert said.startswith("The checkpoint of Model is not trained: its figures mean nothing.")
    assert "better" not in said
    assert "Spherical spline: median r 0.82, NMSE 0.35 over 2 hidden channels." in said


def test_only_what_was_tried_is_spoken_of():
    score = scored([(0.1, 0.2, 1)])
    assert score.kinds == ("channel",)
    assert "span" not in score.sentence
    assert score.conditions == (
        "Tried on 5 to 65 s of night.edf, 1 run, at most 2 channels hidden at once, at 250 Hz and its own reference;"
        " truth and answers alike limited to 1 to 40 Hz."
        " Not tried: regions, spans of one channel, spans of all channels."
    )


def test_medians_and_quartiles():
    score = scored([(0.1, 0.2, 1), (0.2, 0.2, 1), (0.3, 0.2, 1), (0.8, 0.2, 1)])
    ours = score.summary()[0]
    assert (ours["method"], ours["n"], ours["won"]) == ("Model", 4, 1)
    assert (ours["nmse_q1"], ours["nmse"], ours["nmse_q3"]) == pytest.approx(
        tuple(np.percentile([0.1, 0.2, 0.3, 0.8], [25, 50, 75]))
    )
    areas = {(line["area"], line["method"]): line["nmse"] for line in score.summary("area")}
    assert areas["occipital", "Model"] == pytest.approx(0.25)
    assert areas["central", "Model"] == pytest.approx(0.45)


def test_medians_stand_undefined_and_infinite_numbers():
    lines = scored([(0, 0.2, 1), (0, 0.2, 1), (0.5, 0.2, 1)]).summary()
    assert lines[0]["snr_db"] == math.inf
    undefined = replace(
        scored([(0.1, 0.2, 1)]), table=(row("Cz", "Model", 0.1, r=math.nan), row("Cz", "zeros", 1.0, r=math.nan))
    )
    assert math.isnan(undefined.summary()[0]["r"])
    assert "median r undefined against undefined" in undefined.sentence


def test_a_tie_has_no_winner():
    assert list(won([{"nmse": 0.1}, {"nmse": 0.2}])) == [True, False]
    assert list(won([{"nmse": 0.1}, {"nmse": 0.1}, {"nmse": 0.3}])) == [False, False, False]
    assert list(won([{"nmse": math.nan}, {"nmse": 0.1}])) == [False, True]
    assert list(won([{"nmse": math.nan}])) == [False]


def test_json_is_strict_and_complete(tmp_path):
    score = scored([(0, 0.2, 1), (0.1, 0.2, 1)])
    text = score.save(tmp_path / "rec_desc-score.json").read_text()

    def never(word):
        raise AssertionError(word)

    found = json.loads(text, parse_constant=never)
    assert found["sentence"] == score.sentence
    assert found["conditions"] == score.conditions
    assert found["table"][0]["nmse"] == 0
    assert found["table"][0]["snr_db"] is None  # infinite
    assert found["table"][0]["gamma"] is None  # not defined
    assert len(found["table"]) == 6
    assert found["eegora"]["provenance"]["recording"] == "night.edf"
    assert found["eegora"]["kind"] == "score"


def test_tables_carry_the_record(tmp_path):
    score = scored([(0, 0.2, 1), (0.1, 0.2, 1)])
    table = parquet.read_table(score.save(tmp_path / "s.parquet"))
    assert table["nmse"].to_pylist() == [0, 0.2, 1, 0.1, 0.2, 1]
    assert table["snr_db"][0].as_py() == math.inf
    assert json.loads(table.schema.metadata[b"eegora"])["provenance"]["task"] == "score"
    with score.save(tmp_path / "s.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["method"] for r in rows[:3]] == ["Model", "spherical spline", "zeros"]
    assert float(rows[3]["nmse"]) == 0.1
    with pytest.raises(UsageError, match=r"\.parquet"):
        score.save(tmp_path / "s.xlsx")
