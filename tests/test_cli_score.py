"""`eegora repair --score` from the command line, with a tiny checkpoint: what is said, what is saved, and that the repair stays the same."""

import json
from pathlib import Path

import pytest
from pyarrow import parquet
from safetensors.numpy import save_file

from eegora.checkpoints.synthetic import read_manifest, synthetic_state_dict
from eegora.cli.main import main
from eegora.recordings.synthetic import synthetic_raw
from eegora.recordings.write import save_raw

MANIFEST = Path(__file__).parent / "models" / "zuna" / "vectors" / "zuna-tiny.json"
NAMES = "Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8".split()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("score")
    raw = synthetic_raw(12, 0, ch_names=NAMES, sfreq=200)
    raw.info["bads"] = ["O2"]
    save_raw(raw, folder / "rec_raw.fif")
    manifest = read_manifest(MANIFEST)
    save_file(synthetic_state_dict(manifest), folder / "tiny.safetensors")
    (folder / "tiny.json").write_text(json.dumps(manifest.config))
    return folder


@pytest.fixture
def run(desk, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*options):
        model = ("--model", "zuna", "--checkpoint", desk / "tiny.safetensors", "--config", desk / "tiny.json")
        code = main([str(a) for a in ("repair", desk / "rec_raw.fif", *model, "--steps", 1, *options)])
        return (code, *capfd.readouterr())

    return call


def test_the_table_and_the_sentence_are_printed_and_saved(run, tmp_path):
    code, out, err = run("--score", "--hide", "F7,C3", "-o", "r_desc-repaired_raw.fif")
    assert code == 0
    assert "the score takes" in err
    assert "2 hidden in 2 runs over 12 s" in err
    assert "The checkpoint of ZUNA is not trained: its figures mean nothing." in out
    assert "The repaired channels are imputed, not measured." in out
    assert "spherical spline" in out
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "r_desc-repaired_raw.fif",
        "r_desc-score.json",
        "r_desc-score.parquet",
    ]
    found = json.loads((tmp_path / "r_desc-score.json").read_text())
    assert found["sentence"] in out
    assert {row["channel"] for row in found["table"]} == {"F7", "C3"}
    assert found["eegora"]["provenance"]["checkpoint"]["name"] == "tiny.safetensors"
    assert parquet.read_table(tmp_path / "r_desc-score.parquet").num_rows == len(found["table"]) == 8


def test_the_repair_is_the_same_with_and_without(run, tmp_path):
    assert run("-o", "a_raw.fif")[0] == 0
    assert (
        run("-o", "b_raw.fif", "--score", "--hide", 2, "--hide-spans", 1, "--hide-gaps", 1, "--hide-regions", 1)[0] == 0
    )
    import mne
    import numpy as np

    a, b = (mne.io.read_raw_fif(tmp_path / f"{n}_raw.fif", verbose="ERROR") for n in "ab")
    assert np.array_equal(a.get_data(), b.get_data())
    assert a.info["bads"] == b.info["bads"] == []
    kinds = {row["kind"] for row in json.loads((tmp_path / "b_desc-score.json").read_text())["table"]}
    assert kinds == {"channel", "region", "span", "gap"}


def test_everything_as_json(run):
    code, out, _ = run("--score", "--hide", "2", "--json")
    assert code == 0
    record = json.loads(out)
    assert record["score"]["files"] == ["rec_raw_desc-score.json", "rec_raw_desc-score.parquet"]
    assert len(record["score"]["table"]) == 8
    assert record["score"]["sentence"].endswith("imputed, not measured.")


def test_quiet_says_nothing(run):
    assert run("--score", "--hide", "1", "--quiet") == (0, "", "")


def test_every_good_channel_is_hidden_once_by_default(run, tmp_path):
    code, _, err = run("--score", "--runs", 4, "--score-seconds", 4)
    assert code == 0
    assert "11 hidden in 4 runs over 4 s" in err
    found = json.loads((tmp_path / "rec_raw_desc-score.json").read_text())
    hidden = [row["channel"] for row in found["table"] if row["method"] == "ZUNA"]
    assert sorted(hidden) == sorted(set(NAMES) - {"O2"})


@pytest.mark.parametrize("name", ["out.html", "out.png"])
def test_a_report(run, tmp_path, name):
    code, out, _ = run("--score", "--hide", "2", "--report", name, "--json")
    assert code == 0
    assert json.loads(out)["score"]["files"][2] == name
    begun = (tmp_path / name).read_bytes()[:200].lower()
    assert b"<!doctype html" in begun or b"\x89png" in begun


def test_channels_parts_of_the_head_and_medians_are_printed(run):
    _, out, _ = run("--score", "--hide", "Fp1,O1", "--hide-gaps", "1")
    titles = [line.strip() for line in out.splitlines() if "[quartiles]" in line or "every hidden channel" in line]
    assert [title.split(":")[0] for title in titles] == ["every hidden channel", *["hidden and brought back"] * 2]
    assert "frontal" in out
    assert "occipital" in out
    first = out.split("[quartiles]")[0]
    assert " s  " not in first  # every channel of a gap: with --verbose
    assert " s  " in run("--score", "--hide-gaps", "1", "--verbose", "--overwrite")[1].split("[quartiles]")[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--score", "--hide", "Q9"), "Q9"),
        (("--score", "--hide", "O2"), "cannot be hidden"),
        (("--score", "--hide", "12"), "12 channels to hide"),
        (("--score", "--runs", "1"), "--runs"),
        (("--score", "--hide-spans", "50"), "room for"),
        (("--score", "--score-seconds", "1"), "seconds"),
        (("--score", "--bads", ",".join(NAMES[:9])), "good channels"),
        (("--score", "--bads", ",".join(NAMES)), "good channels"),
        (("--score", "--report", "out.pdf"), ".html"),
        (("--hide", "3"), "add --score"),
        (("--report", "out.html"), "add --score"),
    ],
)
def test_a_mistake_is_answered_in_one_line(run, tmp_path, options, words):
    code, _, err = run(*options)
    assert code in (2, 3)
    lines = [line for line in err.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1, err
    assert words in lines[0]
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_replaced(run, tmp_path):
    (tmp_path / "r_desc-score.json").write_text("mine")
    code, _, err = run("--score", "--hide", "1", "-o", "r_raw.fif")
    assert code == 2
    assert "--overwrite" in err
    assert [p.name for p in tmp_path.iterdir()] == ["r_desc-score.json"]
    assert run("--score", "--hide", "1", "-o", "r_raw.fif", "--overwrite")[0] == 0
    assert "sentence" in json.loads((tmp_path / "r_desc-score.json").read_text())


def test_a_mask_file_and_a_score_exclude_each_other(run, desk, tmp_path):
    assert run("-o", "r_raw.fif", "--save-mask", "m.npz")[0] == 0
    code, _, err = run("-o", "s_raw.fif", "--score", "--mask", "m.npz")
    assert code == 2
    assert "--span" in err


def test_a_model_that_does_not_repair_says_so(desk, tmp_path, capfd):
    options = ("--model", "luna-base", "--untrained", "--score", "-o", str(tmp_path / "r_raw.fif"))
    assert main(["repair", str(desk / "rec_raw.fif"), *options]) == 2
    assert "models that do: zuna" in capfd.readouterr().err
