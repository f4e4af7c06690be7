"""``eegora check``: what it says and how it leaves."""

import json
import re
import shlex
from pathlib import Path

import pytest

from eegora.cli.main import main
from eegora.recordings.synthetic import synthetic_raw
from eegora.recordings.write import save_raw
from eegora.results.windows import load_windows

CASES = Path(__file__).parent / "data" / "recordings" / "cases"


@pytest.fixture
def check(capfd):
    def check(*words):
        code = main(["check", *(str(CASES / w) if (CASES / w).is_file() else w for w in words)])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return check


def test_a_usable_recording(check):
    code, out, err = check("tuh_ref.edf", "--model", "luna-base")
    assert (code, err) == (0, "")
    assert out.startswith("tuh_ref.edf × luna-base (luna-tuab): can run\n")
    assert "  next: eegora embed " in out
    assert "FP1-F7  derived  EEG FP1-REF EEG F7-REF" in out


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("ok4.edf", 3, "cannot run because ok4.edf lacks electrodes F3"),
        ("nan_inf.csv", 3, "not a number in Fp1, 0.386719 s (line 101), 3 samples"),
        ("digital_range_zero.edf", 3, "the digital or physical range is 0"),
        ("epochs-epo.fif", 3, "holds epochs, not a continuous recording"),
        ("nonmonotonic.csv", 3, "line 302: time"),
        ("psg_bipolar.edf", 3, "h_freq = 75 Hz"),
    ],
)
def test_an_unusable_recording_leaves_with_3_and_says_why(check, name, code, says):
    got, out, err = check(name, "--model", "luna-base")
    assert (got, err) == (code, "")
    assert says in out.splitlines()[0]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("empty.edf", "has no bytes"),
        ("trunc_header.edf", "4 signals need 1280 bytes"),
        ("units_blank.edf", "no unit of voltage"),
        ("ragged.csv", "line 151: 5 cells, 4 wanted"),
        ("text_cell.csv", "line 51: '0x191406'"),
        ("no_time.csv", "no time column"),
        ("nowhere.edf", "does not exist"),
    ],
)
def test_a_file_that_cannot_be_understood_leaves_with_2_and_one_line(check, name, says):
    code, out, err = check(name, "--model", "luna-base")
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_options_of_reading_help_and_go_into_the_command(check):
    options = ["--units", "uV", "--recipe", "luna-unipolar"]
    code, out, _ = check("units_blank.edf", "--model", "luna-base", *options)
    assert code == 0
    assert out.partition("  next: ")[2].splitlines()[0].endswith("--recipe luna-unipolar --units uV")
    code, out, _ = check("no_time.csv", "--model", "luna", "--sfreq", "100", "--json")
    assert json.loads(out)[0]["numbers"]["seconds"] == 6


def test_several_recordings_and_the_worst_code(check):
    code, out, err = check("tuh_ref.edf", "trunc_header.edf", "ok4.edf", "--json")
    assert code == 2
    assert "trunc_header.edf" in err
    records = json.loads(out)
    answers = {(record["recording"], record.get("model")): record["answer"] for record in records}
    assert answers["tuh_ref.edf", "luna-base"] == "can run"
    assert answers["trunc_header.edf", None] == "cannot be understood"
    assert answers["ok4.edf", "luna-base"] == "cannot run"
    assert check("tuh_ref.edf", "ok4.edf", "--model", "luna")[0] == 3


def test_json_holds_findings_plan_and_numbers(check):
    code, out, _ = check("gap_raw.fif", "--model", "luna-base", "--recipe", "luna-unipolar", "--json")
    assert code == 0
    (record,) = json.loads(out)
    assert (record["answer"], record["exit_code"]) == ("can run with remarks", 0)
    assert record["windows"] == {"n_windows": 3, "n_dropped": 1, "n_annotated": 0, "seconds": 5.0, "lost_s": 0.0}
    assert {f["code"] for f in record["findings"]} >= {
        "recording",
        "unit",
        "positions",
        "gaps",
        "dropped_windows",
        "line_noise",
    }
    assert [row["row"] for row in record["channels"]][:2] == ["Fp1", "Fp2"]
    assert record["numbers"]["std_uv"]["Fp1"] == pytest.approx(20.4, abs=0.5)


def test_strict_turns_remarks_into_1(check):
    words = ("flat_channel.edf", "--model", "luna-base", "--recipe", "luna-unipolar")
    assert check(*words)[0] == 0
    assert check(*words, "--strict")[0] == 1
    assert check("ok4.edf", "--model", "luna-base", "--strict")[0] == 3
    assert check("tuh_ref.edf", "--model", "luna-base", "--strict")[0] == 0


def test_without_a_model_every_model_is_asked(check):
    from eegora import registry

    code, out, _ = check("tuh_ref.edf")
    assert code == 0
    for spec in registry.specs().values():
        assert f"tuh_ref.edf × {registry.full_name(spec, spec.variants[0])}" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--model", "lunar"], "no model is called 'lunar'"),
        (["--model", "luna", "--recipe", "nope"], "no recipe 'nope'"),
        (["--task", "dream"], "no model can 'dream'"),
        (["--model", "luna", "--bads", "Q9"], "no channel 'Q9'"),
        (["--model", "luna", "--missing", "magic"], "'magic'"),
    ],
)
def test_what_was_typed_wrong_is_one_line(check, words, says):
    code, _, err = check("tuh_ref.edf", *words)
    assert code in (2, 3)
    assert says in err
    assert len(err.splitlines()) == 1


def test_several_models_by_name(check):
    for words in (("--model", "luna-base", "--model", "eegpt,zuna-1"), ("-m", "luna-base,eegpt,zuna-1")):
        code, out, _ = check("tuh_ref.edf", *words)
        assert code == 0
        named = [
            line.partition(" × ")[2].partition(":")[0] for line in out.splitlines() if " × " in line.partition(":")[0]
        ]
        assert named == ["luna-base (luna-tuab)", "eegpt-base (eegpt)", "zuna-1 (zuna)"]
    assert check("tuh_ref.edf", "-m", "luna,nobody")[0] == 2


def test_the_networks_time_is_told_with_what_it_rests_on(check):
    _, out, _ = check("tuh_ref.edf", "--model", "luna-base")
    (line,) = [line for line in out.splitlines() if line.startswith("  time: ")]
    assert re.fullmatch(
        r"  time: .+ to prepare, .+ in the network on \S+ \(1 × 0\.504 GFLOP, at 90% of the \S+ GFLOP/s that products reach"
        r" just now\); reading and loading come on top",
        line,
    )
    (record,) = json.loads(check("tuh_ref.edf", "--model", "luna-base", "--json")[1])
    ahead = record["network"]
    assert ahead["seconds"] == pytest.approx(ahead["n_windows"] * ahead["gflop"] / (0.9 * ahead["product_gflops"]))
    assert "parameters 26." in next(f["sentence"] for f in record["findings"] if f["code"] == "memory")


def test_nothing_is_said_twice(check):
    for name in ("ok4.edf", "digital_range_zero.edf", "gap_raw.fif", "bads_annot_raw.fif", "nan_inf.csv"):
        for words in ((), ("--model", "luna-base"), ("--model", "zuna")):
            lines = [line.strip() for line in check(name, *words)[1].split("channels:")[0].splitlines()]
            sentences = [re.sub(r"^.*?(: |because )", "", line) for line in lines]
            assert len(sentences) == len(set(sentences)), (name, words)


def test_a_recording_that_no_model_can_use_is_refused_once(check):
    code, out, _ = check("digital_range_zero.edf")
    assert code == 3
    assert out.count("range is 0") == 1
    assert "cannot run with any of eeg-dino-small, eegpt-base, luna-base, zuna-1.1" in out
    assert "→ correct the file's header" in out


def test_another_task_says_who_can_and_where_nothing_is_to_be_done(check):
    code, out, _ = check("ok4.edf", "--task", "repair", "--model", "luna")
    assert code == 3
    assert "cannot run because LUNA does not repair; models that do: zuna\n" in out
    assert re.search(r"\n  next: eegora repair \S+ok4\.edf --model zuna\n", out)
    assert "nothing goes through the network" in check("ok4.edf", "--task", "repair", "--model", "zuna")[1]
    assert re.search(r"\(4 × \S+ TFLOP, at", check("bads_annot_raw.fif", "--task", "repair", "--model", "zuna")[1])


@pytest.fixture
def nameless(tmp_path):
    """A recording whose labels nobody knows."""
    path = tmp_path / "ch_raw.fif"
    raw = synthetic_raw(seconds=12, ch_names=["Fp1", "Fp2", "C3"], sfreq=256)
    raw.set_montage(None)
    raw.rename_channels({"Fp1": "ch 1", "Fp2": "ch 2", "C3": "ch 3"})
    save_raw(raw, path)
    return str(path)


def test_what_check_recommends_for_unknown_labels_it_takes(check, nameless, capfd):
    code, out, _ = check(nameless, "--model", "luna-base")
    assert (code, "--rename 'ch 1'=Cz" in out) == (3, True)
    words = ("--rename", "ch 1=Fp1,ch 2=Cz,ch 3=Pz", "--pick", "Fp1,Cz")
    code, out, _ = check(nameless, "--model", "luna-base", "--recipe", "luna-unipolar", *words)
    assert code == 0
    typed = out.partition("  next: eegora ")[2].splitlines()[0]
    assert typed.endswith("--rename 'ch 1=Fp1,ch 2=Cz,ch 3=Pz' --pick Fp1,Cz")
    assert main([*shlex.split(typed), "--untrained", "-o", f"{nameless}.npz"]) == 0
    assert check(nameless, "--model", "luna-base", "--recipe", "luna-unipolar", "--include", "ch 1")[0] == 3


def test_recipe_run_takes_names_as_embed_does(nameless, capfd):
    file = f"{nameless}.npz"
    words = ["--recipe", "luna-unipolar", "--rename", "ch 1=Fp1,ch 2=Cz", "-o", file]
    assert main(["recipe", "run", nameless, *words]) == 0
    windows = load_windows(file)
    assert windows.ch_names == ("Fp1", "Cz")
    assert windows.choices["rename"] == {"ch 1": "Fp1", "ch 2": "Cz"}
