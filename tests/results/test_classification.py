import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from eegora.errors import UsageError
from eegora.results import Classification


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz", ".safetensors"])
def test_it_comes_back_bit_for_bit(classification, tmp_path, suffix):
    back = Classification.load(classification.save(tmp_path / f"probs{suffix}"))
    for name in ("logits", "probabilities", "onsets"):
        assert getattr(back, name).dtype == getattr(classification, name).dtype
        assert np.array_equal(getattr(back, name), getattr(classification, name))
    for name in ("classes", "seconds", "provenance", "flags"):
        assert getattr(back, name) == getattr(classification, name)


def test_the_csv_is_plain_and_the_sidecar_has_the_provenance(classification, tmp_path):
    classification = replace(classification, provenance=replace(classification.provenance, untrained=True))
    with classification.save(tmp_path / "probs.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:6] == ["recording", "model", "variant", "onset", "duration", "predicted"]
    assert len(rows) == 3
    row = dict(zip(header, rows[1], strict=True))
    assert row["flags"] == "flat:Fp2;annotated:BAD_move"
    assert row["untrained"] == "True"
    assert row["predicted"] == classification.classes[int(classification.logits[1].argmax())]
    assert np.float32(row["p_normal"]) == classification.probabilities[1, 0]
    record = json.loads((tmp_path / "probs.json").read_text())["eegora"]
    assert record["untrained"] is True
    assert record["provenance"]["checkpoint"]["sha256"] == "ab12"


def test_a_file_in_the_way_of_the_sidecar_is_left_alone(classification, tmp_path):
    (tmp_path / "probs.json").write_text('{"mine": 1}')
    with pytest.raises(UsageError, match="which holds something else"):
        classification.save(tmp_path / "probs.csv")
    assert (tmp_path / "probs.json").read_text() == '{"mine": 1}'
    assert not (tmp_path / "probs.csv").exists()


def test_a_csv_is_replaced_with_its_sidecar(classification, tmp_path):
    classification.save(tmp_path / "probs.csv")
    other = replace(classification, provenance=replace(classification.provenance, recording="other.edf"))
    other.save(tmp_path / "probs.csv")
    assert Classification.load(tmp_path / "probs.csv").provenance.recording == "other.edf"


def test_a_csv_without_sidecar_or_with_another_says_so(classification, tmp_path):
    classification.save(tmp_path / "probs.csv")
    (tmp_path / "probs.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="no column"):
        Classification.load(tmp_path / "probs.csv")
    (tmp_path / "probs.json").unlink()
    with pytest.raises(UsageError, match=r"probs\.json does not exist"):
        Classification.load(tmp_path / "probs.csv")


def test_inputs_need_a_file_that_holds_arrays(classification, tmp_path):
    kept = replace(classification, extras={"x": np.ones((3, 2, 40))})
    with pytest.raises(UsageError, match=r"\.safetensors or \.npz") as caught:
        kept.save(tmp_path / "probs.csv")
    assert caught.value.code == "no_room_for_inputs"
    assert np.array_equal(Classification.load(kept.save(tmp_path / "probs.npz")).extras["x"], kept.extras["x"])
