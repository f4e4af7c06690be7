"""``eegora export`` and ``eegora recipe run``: files that others read."""

import json
from pathlib import Path

import mne
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from eegora.cli.main import main
from eegora.models.luna.spec import SPEC
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe
from eegora.recordings.read import load_signal
from eegora.registry import find_recipe
from eegora.results.windows import load_windows

CASES = Path(__file__).parent / "data" / "recordings" / "cases"


@pytest.fixture
def run(capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = main([str(w) for w in words])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


@pytest.mark.parametrize("name", ["double_raw.fif", "mixed_types_raw.fif", "gap_raw.fif"])
def test_fif_to_csv_and_back_loses_nothing(run, name):
    assert run("export", CASES / name, "-o", "table.csv")[0] == 0
    assert run("export", "table.csv", "-o", name)[0] == 0
    before, after = (mne.io.read_raw_fif(path, verbose="ERROR") for path in (CASES / name, name))
    assert np.array_equal(before.get_data(), after.get_data())
    assert (before.ch_names, before.get_channel_types()) == (after.ch_names, after.get_channel_types())
    assert (before.info["meas_date"], before.first_samp) == (after.info["meas_date"], after.first_samp)
    assert before.info["bads"] == after.info["bads"]
    assert np.array_equal(before.annotations.onset, after.annotations.onset)
    places = [np.array([c["loc"] for c in raw.info["chs"]]) for raw in (before, after)]
    assert np.array_equal(*places, equal_nan=True)


def test_an_edf_goes_to_fif_with_all_its_digits(run):
    assert run("export", CASES / "ok4.edf", "-o", "ok4_raw.fif")[0] == 0
    before, after = load_signal(CASES / "ok4.edf")[0], load_signal("ok4_raw.fif")[0]
    assert np.array_equal(before.data, after.data)


def test_a_fif_goes_to_edf_and_the_loss_is_told(run):
    code, _, err = run("export", CASES / "no_positions_raw.fif", "-o", "out.edf")
    assert code == 0
    assert "EDF holds 16 bits" in err
    before, after = load_signal(CASES / "no_positions_raw.fif")[0], load_signal("out.edf")[0]
    assert after.ch_names == before.ch_names
    assert np.abs(after.data[:, : before.n_times] - before.data).max() < 1e-8


def test_channels_that_reading_left_out_are_told(run):
    code, _, err = run("export", CASES / "mixed_rates_annot.edf", "-o", "out.csv")
    assert code == 0
    assert "Resp nasal was not read" in err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["ok4.edf", "-o", "out.docx"], 2, "use .csv, .tsv, .fif, .edf"),
        (["trunc_header.edf", "-o", "out.csv"], 2, "bad header"),
        (["ok4.edf", "-o", "there.csv"], 2, "is there already"),
    ],
)
def test_what_cannot_be_exported_is_one_line(run, words, code, says):
    Path("there.csv").write_text("mine")
    got, _, err = run("export", CASES / words[0], *words[1:])
    assert got == code
    assert says in err
    assert Path("there.csv").read_text() == "mine"
    assert not Path("out.csv").exists()


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_recipe_run_writes_what_leads_back_to_volts(run, ending):
    path = f"windows{ending}"
    code, out, _ = run("recipe", "run", CASES / "tuh_ref.edf", "--recipe", "luna-tuab", "-o", path)
    assert code == 0
    assert "1 × 22 × 1280" in out
    windows = prepare(load_signal(CASES / "tuh_ref.edf")[0], find_recipe(SPEC))
    if ending == ".npz":
        arrays = dict(np.load(path))
        record = json.loads(str(arrays.pop("eegora")))
    else:
        arrays = load_file(path)
        with safe_open(path, "np") as file:
            record = json.loads(file.metadata()["eegora"])
    for name in ("data", "onsets", "index", "n_valid", "scale", "shift", "level", "ch_pos"):
        assert np.array_equal(arrays[name], getattr(windows, name)), name
    assert np.array_equal(arrays["data"] * arrays["scale"] + arrays["shift"] + arrays["level"], windows.to_volts())
    assert record["kind"] == "windows"
    assert record["ch_names"] == list(windows.ch_names)
    assert record["provenance"]["plan"] == windows.plan.to_dicts()
    assert record["provenance"]["not_undone"] == list(windows.not_undone)
    assert Recipe.from_toml(record["provenance"]["recipe"]) == find_recipe(SPEC)
    same = load_windows(path)
    assert same.recipe == windows.recipe
    assert same.choices == {"missing": None, "unknown": None, "exclude": [], "bads": []}


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_recipe_run_writes_the_same_from_pieces(run, ending, monkeypatch):
    monkeypatch.setattr("eegora.recipes.spill.SMALL", 1000)
    words = ("recipe", "run", CASES / "tuh_ref.edf", "--recipe", "luna-tuab")
    assert run(*words, "-o", f"whole{ending}")[0] == 0
    assert run(*words, "-o", f"pieces{ending}", "--memory", 0, "--temp", ".")[0] == 0
    whole, pieces = load_windows(f"whole{ending}"), load_windows(f"pieces{ending}")
    np.testing.assert_allclose(pieces.data, whole.data, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(pieces.to_volts(), whole.to_volts(), rtol=0, atol=2e-7 * np.abs(whole.to_volts()).max())
    assert (pieces.recipe, pieces.plan, pieces.notes) == (whole.recipe, whole.plan, whole.notes)
    assert sorted(path.name for path in Path().iterdir()) == [f"pieces{ending}", f"whole{ending}"]


def test_recipe_run_takes_an_edited_recipe(run):
    code, out, _ = run("recipe", "show", "luna-unipolar", "--toml")
    Path("mine.toml").write_text(out.replace("samples = 1280", "samples = 256"))
    code, out, _ = run("recipe", "run", CASES / "ok4.edf", "--recipe", "mine.toml", "-o", "w.npz", "--json")
    assert code == 0
    assert json.loads(out)["shape"] == [8, 4, 256]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--recipe", "nope"], 2, "no recipe is called 'nope'"),
        (["--recipe", "luna-tuab"], 3, "lacks electrodes"),
        (["--recipe", "luna-unipolar", "-o", "w.csv"], 2, "use .npz, .safetensors"),
    ],
)
def test_recipe_run_refuses_in_one_line(run, words, code, says):
    got, _, err = run("recipe", "run", CASES / "ok4.edf", *words)
    assert got == code
    assert says in err
    assert not list(Path().iterdir())


def test_edf_says_that_it_keeps_no_bad_channels(run, tmp_path):
    raw = mne.io.RawArray(
        np.random.default_rng(0).standard_normal((3, 512)) * 1e-5, mne.create_info(["Fp1", "Cz", "O2"], 128, "eeg")
    )
    raw.info["bads"] = ["Cz"]
    raw.save(tmp_path / "bad_raw.fif", verbose="ERROR")
    code, _, err = run("export", "bad_raw.fif", "-o", "out.edf")
    assert (code, "EDF does not say which channels are bad: Cz" in err) == (0, True)
    assert "bad: Cz" not in run("export", "bad_raw.fif", "-o", "out.csv")[2]
