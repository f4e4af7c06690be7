"""The command line: what it writes, what it says, and how it leaves. Runs the commands themselves, in this process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mne
import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file, save_file

import eegora
from eegora.checkpoints.synthetic import synthetic_state_dict
from eegora.cli.main import main
from eegora.models.luna.checkpoint import layout
from eegora.models.luna.spec import SPEC


@pytest.fixture
def run(capfd, monkeypatch, tmp_path):
    """Run one command line in an empty folder; give its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    # A port that nobody listens on: the hub is out of reach on every machine.
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    def run(*arguments):
        code = main([str(a) for a in arguments])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "rec_raw.fif"
    assert main(["synth", str(path), "--seconds", "12", "--seed", "4"]) == 0
    return path


@pytest.fixture(scope="session")
def electrodes(tmp_path_factory):
    """Twelve electrodes, fewer than the default recipe wants."""
    path = tmp_path_factory.mktemp("cli") / "twelve_raw.fif"
    names = "Fp1,Fp2,F3,F4,C3,C4,P3,P4,O1,O2,F7,F8"
    assert main(["synth", str(path), "--seconds", "11", "--channels", names]) == 0
    return path


def checkpoint(path, *, trained=False, **config):
    """A synthetic checkpoint; `trained`: with numbers that the rule does not make, as if somebody had trained it."""
    tensors = {
        key: (shape, rule)
        for key, (shape, rule) in layout({**SPEC.variants[0].config, **config}).items()
        if rule != "constant"
    }
    made = synthetic_state_dict(tensors)
    save_file({key: np.asarray(1.5 * value, value.dtype) for key, value in made.items()} if trained else made, path)
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("checkpoint") / "trained.safetensors", trained=True)


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """A synthetic checkpoint of the base variant in the published layout."""
    return checkpoint(tmp_path_factory.mktemp("checkpoint") / "base.safetensors")


@pytest.fixture(scope="session")
def finetuned(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("checkpoint") / "finetuned.safetensors", num_classes=2)


def one_line(err):
    lines = [line for line in err.splitlines() if not line.startswith("note:")]
    assert len(lines) == 1, err
    return lines[0]


def test_embed_writes_a_table_that_opens_with_pyarrow_alone(run, recording):
    code, out, _ = run("embed", recording, "--model", "luna-base", "--untrained", "-o", "out.parquet")
    assert code == 0
    assert "UNTRAINED" in out
    table = pq.read_table("out.parquet")
    assert table.num_rows == 2
    assert table.schema.field("vector").type.list_size == 256
    assert table["untrained"].to_pylist() == [True, True]
    assert table["onset"].to_pylist() == [0.0, 5.0]
    record = json.loads(table.schema.metadata[b"eegora"])
    assert "luna-tuab" in json.dumps(record)
    assert eegora.Embeddings.load("out.parquet").data.shape == (2, 256)


@pytest.mark.parametrize("more", [(), ("--figures", "charts"), ("--save-inputs",)])
def test_embed_prints_the_shape_of_what_is_in_the_file(run, recording, more):
    code, out, _ = run("embed", recording, "--model", "luna-base", "--untrained", "-o", "out.parquet", *more)
    assert code == 0
    table = pq.read_table("out.parquet")
    assert out.startswith("out.parquet: 2 × 256 (window × feature, pooling window); channels: ")
    assert (table.num_rows, table.schema.field("vector").type.list_size) == (2, 256)
    assert table["pooling"].to_pylist() == ["window"] * 2
    code, out, _ = run("embed", recording, "--model", "luna-base", "--untrained", "-o", "out.npz", *more)
    assert out.startswith("out.npz: 2 × 32 × 256 (window × patch × feature); channels: ")


@pytest.mark.parametrize("ending", [".parquet", ".npz", ".safetensors"])
def test_results_of_a_synthetic_checkpoint_are_untrained_in_every_format(run, recording, base, ending):
    code, out, err = run("embed", recording, "--model", "luna-base", "--checkpoint", base, "-o", f"s{ending}")
    assert code == 0
    assert out.endswith("; UNTRAINED\n")
    assert err.count("numbers mean nothing") == 1, "said once"
    again = eegora.Embeddings.load(f"s{ending}")
    assert again.provenance.untrained
    if ending == ".parquet":
        assert pq.read_table("s.parquet")["untrained"].to_pylist() == [True, True]


def test_embed_with_a_checkpoint_says_which(run, recording, trained):
    code, out, _ = run(
        "embed", recording, "--model", "luna-base", "--checkpoint", trained, "-o", "e.safetensors", "--json"
    )
    assert code == 0
    said = json.loads(out)
    assert said["shape"] == {"window": 2, "patch": 32, "feature": 256}
    assert said["untrained"] is False
    again = eegora.Embeddings.load("e.safetensors")
    assert again.provenance.checkpoint["source"] == "given"
    assert len(again.provenance.checkpoint["sha256"]) == 64
    assert again.data.shape == (2, 32, 256)


def test_the_variant_is_told_by_the_tensors(run, recording, base):
    assert run("embed", recording, "--model", "luna", "--checkpoint", base, "-o", "e.npz")[0] == 0
    assert eegora.Embeddings.load("e.npz").provenance.variant == "base"


def test_seeds_of_untrained_networks_differ_and_repeat(run, recording):
    for seed, name in ((1, "a"), (1, "b"), (2, "c")):
        run("embed", recording, "--model", "luna-base", "--untrained", "--seed", seed, "-o", f"{name}.npz")
    a, b, c = (eegora.Embeddings.load(f"{name}.npz").data for name in "abc")
    assert np.array_equal(a, b)
    assert not np.allclose(a, c)


def test_reconstruct_gives_derivations_back_and_says_so(run, recording):
    code, _, err = run("reconstruct", recording, "--model", "luna-base", "--untrained", "-o", "rec_raw.fif")
    assert code == 0
    assert "22 bipolar derivations, not electrodes" in err
    raw = mne.io.read_raw_fif("rec_raw.fif", verbose="ERROR")
    assert raw.info["sfreq"] == 256
    assert len(raw.ch_names) == 22
    assert raw.ch_names[0] == "FP1-F7"
    assert "untrained" in raw.info["description"]
    assert 1e-7 < raw.get_data(stop=2560).std() < 1e-3


def test_classify_with_a_head_of_ones_own(run, recording, finetuned):
    options = ("--model", "luna-base", "--checkpoint", finetuned, "--classes", "normal,abnormal", "-o", "p.csv")
    assert run("classify", recording, *options)[0] == 0
    with open("p.csv") as file:
        head, first, *_ = file.read().splitlines()
    assert {"p_normal", "p_abnormal", "onset", "untrained"} <= set(head.split(","))
    row = dict(zip(head.split(","), first.split(","), strict=True))
    assert float(row["p_normal"]) + float(row["p_abnormal"]) == pytest.approx(1, abs=1e-6)


def test_a_head_that_was_never_trained_needs_leave(run, recording, finetuned, tmp_path):
    tensors = load_file(finetuned)
    fresh = {k: np.zeros_like(t) if "classifier" in k and k.endswith("bias") else t for k, t in tensors.items()}
    save_file(fresh, tmp_path / "fresh.safetensors")
    options = ("--model", "luna-base", "--checkpoint", tmp_path / "fresh.safetensors", "-o", "p.csv")
    code, _, err = run("classify", recording, *options)
    assert code == 3
    assert "--allow-untrained" in one_line(err)
    assert not os.path.exists("p.csv")
    code, out, err = run("classify", recording, *options, "--allow-untrained")
    assert code == 0
    assert "UNTRAINED" in out
    assert "the numbers mean nothing" in err
    with open("p.csv") as file:
        head, first, *_ = file.read().splitlines()
    assert dict(zip(head.split(","), first.split(","), strict=True))["untrained"].lower() == "true"
    assert run("embed", recording, *options[:4], "-o", "e.npz")[0] == 0


def test_attention_names_three_channels_per_query(run, recording, base):
    code, out, _ = run("attention", recording, "--model", "luna-base", "--checkpoint", base, "--json", "-o", "a.npz")
    assert code == 0
    said = json.loads(out)
    assert said["shape"] == [2, 32, 4, 22]
    assert [len(query) for query in said["top_channels"]] == [3, 3, 3, 3]
    pieces = ("--json", "--memory", 0, "-o", "pieces.npz")
    code, out, _ = run("attention", recording, "--model", "luna-base", "--checkpoint", base, *pieces)
    assert code == 0
    assert [[name for name, _ in query] for query in json.loads(out)["top_channels"]] == [
        [name for name, _ in query] for query in said["top_channels"]
    ]
    np.testing.assert_allclose(np.load("pieces.npz")["data"], np.load("a.npz")["data"], rtol=0, atol=1e-5)


def test_save_inputs_and_figures(run, recording):
    options = ("--untrained", "--save-inputs", "--figures", "figures", "-o", "e.npz")
    assert run("embed", recording, "--model", "luna-base", *options)[0] == 0
    kept = eegora.Embeddings.load("e.npz").extras
    assert kept["x"].shape == (2, 22, 1280)
    assert kept["x"].std(axis=-1) == pytest.approx(np.ones((2, 22)), abs=1e-3)

    assert len(list(Path("figures").glob("*.png"))) >= 4


def test_verbose_numbers_and_times_the_steps(run, recording):
    _, _, err = run("embed", recording, "--model", "luna-base", "--untrained", "-o", "e.npz", "-v")
    for words in ("1. read the recording:", "2. load the model:", "3. prepare the windows:", "zscore:", "FP1-F7"):
        assert words in err


def test_quiet_says_nothing(run, recording):
    assert run("embed", recording, "--model", "luna-base", "--untrained", "-o", "e.npz", "-q") == (0, "", "")


def test_nothing_is_overwritten_unless_told(run, recording):
    arguments = ("embed", recording, "--model", "luna-base", "--untrained", "-o", "e.npz")
    assert run(*arguments)[0] == 0
    code, _, err = run(*arguments)
    assert (code, "--overwrite" in one_line(err)) == (2, True)
    assert run(*arguments, "--overwrite")[0] == 0
    code, _, err = run("reconstruct", recording, "--model", "luna-base", "--untrained", "-o", recording, "--overwrite")
    assert (code, "the recording itself" in err) == (2, True)


def test_missing_electrodes_are_named_with_two_ways_on(run, electrodes):
    code, _, err = run("embed", electrodes, "--model", "luna-base", "--untrained", "-o", "e.npz")
    line = one_line(err)
    assert code == 3
    for word in ("T3", "A1", "PZ", "--missing skip", "--recipe luna-unipolar"):
        assert word in line
    for way in (("--missing", "skip"), ("--recipe", "luna-unipolar")):
        assert run("embed", electrodes, "--model", "luna-base", "--untrained", "-o", f"{way[1]}.npz", *way)[0] == 0
    assert len(eegora.Embeddings.load("skip.npz").ch_names) == 10
    assert len(eegora.Embeddings.load("luna-unipolar.npz").ch_names) == 12


def test_channels_outside_the_vocabulary(run, tmp_path):
    path = tmp_path / "odd_raw.fif"
    assert run("synth", path, "--seconds", 6, "--channels", "C3,C4,Iz,AFz")[0] == 0
    options = (path, "--model", "luna-base", "--recipe", "luna-unipolar", "--untrained", "-o", "r.npz")
    code, _, err = run("reconstruct", *options)
    assert code == 3
    assert "Iz" in err
    assert "AFz" in err
    assert "--unknown drop" in err
    assert run("reconstruct", *options, "--unknown", "drop")[0] == 0
    assert run("embed", *options[:-1], "e.npz")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("embed", "R", "--model", "lunar-base"), 2, ["lunar-base", "luna-base", "luna-huge"]),
        (("embed", "R"), 2, ["--model"]),
        (("embed", "nothere.fif", "--model", "luna-base", "--untrained"), 2, ["nothere.fif"]),
        (("embed", ".", "--model", "luna-base", "--untrained"), 2, ["folder"]),
        (("embed", "R", "--model", "luna-base", "--checkpoint", "broken.safetensors"), 2, ["broken.safetensors"]),
        (("embed", "R", "--model", "luna-base", "--checkpoint", "gone.safetensors"), 2, ["gone.safetensors"]),
        (("classify", "R", "--model", "luna-base", "--untrained"), 3, ["classify", "--checkpoint"]),
        (("classify", "R", "--model", "luna-base", "--checkpoint", "BASE"), 3, ["classify", "--checkpoint"]),
        (("embed", "R", "--model", "luna-large", "--checkpoint", "BASE"), 3, ["base", "--model luna-base"]),
        (("reconstruct", "R", "--model", "luna-base", "--checkpoint", "FINETUNED"), 3, ["reconstruct"]),
        (("embed", "R", "--model", "luna-base", "--untrained", "--device", "cuda:7"), 2, ["cuda:7", "--device cpu"]),
        (("embed", "R", "--model", "luna-base", "--untrained", "--dtype", "int8"), 2, ["int8", "float32"]),
        (("embed", "R", "--model", "luna-base"), 3, ["reached", "--checkpoint", "--untrained", "eegora fetch"]),
        (("embed", "R", "--model", "luna-base", "--offline"), 3, ["--offline", "--checkpoint", "eegora fetch"]),
        (("fetch", "luna-base"), 3, ["reached"]),
        (("embed", "R", "--model", "luna-base", "--untrained", "--recipe", "no"), 2, ["luna-tuab", "luna-unipolar"]),
        (("embed", "R", "--model", "luna-base", "--untrained", "--exclude", "Q9"), 3, ["Q9"]),
        (("embed", "R", "--model", "luna-base", "--untrained", "-o", "e.docx"), 2, [".parquet"]),
        (("reconstruct", "R", "--model", "luna-base", "--untrained", "--save-inputs"), 2, [".safetensors"]),
        (("embed", "R", "--model", "luna-base", "--untrained", "--seeds", "3"), 2, ["--seeds"]),
        (("recipe", "show", "nothing"), 2, ["luna-tuab"]),
        (("parity", "luna", "--vectors", "gone.safetensors"), 2, ["gone.safetensors"]),
        (("nonsense",), 2, ["nonsense", "--help"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_answered_in_one_line(run, recording, base, finetuned, tmp_path, arguments, code, words):
    (tmp_path / "broken.safetensors").write_bytes(b"not a checkpoint at all, only words")
    files = {"R": recording, "BASE": base, "FINETUNED": finetuned}
    got, out, err = run(*(files.get(a, a) for a in arguments))
    line = one_line(err)
    assert got == code, line
    assert out == ""
    for word in words:
        assert word in line
    assert not {p.name for p in tmp_path.iterdir()} - {"broken.safetensors", "cache"}, "something was left behind"


def test_python_m_and_version():
    done = subprocess.run([sys.executable, "-m", "eegora", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("eegora 0.")


def test_models_table(run):
    code, out, _ = run("models", "--json")
    rows = json.loads(out)
    assert code == 0
    assert {"luna-base", "luna-large", "luna-huge"} <= {row["model"] for row in rows}
    assert run("models", "--wide")[0] == 0


def test_recipes_are_shown_and_run_from_a_file(run, recording):

    _, toml, _ = run("recipe", "show", "luna-tuab", "--toml")
    Path("mine.toml").write_text(toml.replace("freqs = [60.0]", "freqs = [50.0]"))
    _, out, _ = run("recipe", "show", "mine.toml")
    assert "50" in out
    assert (
        run("embed", recording, "--model", "luna-base", "--untrained", "--recipe", "mine.toml", "-o", "e.npz")[0] == 0
    )
    assert "freqs = [50.0]" in eegora.Embeddings.load("e.npz").provenance.recipe
    assert "luna-unipolar" in run("recipe", "list")[1]


def test_synth_says_which_names_it_does_not_know(run):
    code, out, _ = run("synth", "a_raw.fif", "--seconds", 3, "--channels", "Cz,XX,Oz")
    assert code == 0
    assert "3 channels, 1 of them without a known position: XX, 3 s" in out


@pytest.mark.parametrize("command", ["attention", "repair", "upsample"])
def test_commands_whose_results_hold_no_inputs_do_not_offer_to(run, command):
    assert "--save-inputs" not in run(command, "--help")[1]
    code, _, err = run(command, "rec.fif", "--save-inputs")
    assert code == 2
    assert "--save-inputs" in err


def test_a_long_job_writes_lines_where_no_bar_can_move(run, recording, monkeypatch):
    monkeypatch.setattr("eegora.cli.session.LOG_EVERY_S", 0.0)
    options = ("--model", "luna-base", "--untrained", "--batch-size", 1, "-o", "e.npz")
    _, _, err = run("embed", recording, *options)
    assert "embedding: 1 of 2 windows\nembedding: 2 of 2 windows\n" in err
    _, _, err = run("embed", recording, *options, "--overwrite", "--quiet")
    assert err == ""


def test_synth_is_the_same_every_time(run):
    for name in ("a_raw.fif", "b_raw.fif"):
        assert run("synth", name, "--seconds", 3, "--seed", 5)[0] == 0
    a, b = (mne.io.read_raw_fif(name, verbose="ERROR").get_data() for name in ("a_raw.fif", "b_raw.fif"))
    assert np.array_equal(a, b)
    assert run("synth", "c_raw.fif", "--seconds", 3, "--seed", 6)[0] == 0
    assert not np.array_equal(a, mne.io.read_raw_fif("c_raw.fif", verbose="ERROR").get_data())


def test_demo_draws_a_picture_and_says_where(run, recording):
    code, out, err = run("demo", "--model", "luna-base", "--recording", recording)
    assert code == 0
    assert "untrained" in err
    assert "demo/rec_raw_luna-base.parquet" in out

    assert Path("demo/rec_raw_luna-base.png").stat().st_size > 50_000


def test_demo_with_a_checkpoint_shows_where_it_looks_unless_nobody_trained_it(run, recording, trained, base):
    code, _, err = run("demo", "--model", "luna-base", "--recording", recording, "--checkpoint", trained)
    assert code == 0
    assert "look where it attends" in err
    assert "untrained" not in err
    code, _, err = run("demo", "--model", "luna-base", "--recording", recording, "--checkpoint", base, "--overwrite")
    assert (code, "look where it attends" in err) == (0, False)


def test_parity_exits_with_1_beyond_a_limit(run, tmp_path):
    import shutil

    from safetensors import safe_open
    from safetensors.numpy import load_file

    folder = Path(__file__).parent / "models" / "luna" / "vectors"
    vectors = folder / "luna-tiny-cls.safetensors"
    code, _, _ = run("parity", "luna", "--vectors", vectors, "--manifests", folder)
    assert code == 0
    shutil.copy(folder / "luna-tiny-cls.json", tmp_path)
    with safe_open(vectors, "np") as file:
        metadata = file.metadata()
    tensors = load_file(vectors)
    tensors["cls22/output"][0, 0] += 1e-2
    save_file(tensors, tmp_path / "luna-tiny-cls.safetensors", metadata=metadata)
    assert run("parity", "luna", "--vectors", tmp_path / "luna-tiny-cls.safetensors")[0] == 1


def test_several_models_share_one_table_and_one_grid(run, recording):
    models = "luna-base,luna-large"
    assert run("embed", recording, "--model", models, "--untrained", "--every", 4, "-o", "t.parquet")[0] == 0
    table = pq.read_table("t.parquet").to_pylist()
    assert [(row["onset"], row["variant"]) for row in table] == [
        (0.0, "base"),
        (0.0, "large"),
        (4.0, "base"),
        (4.0, "large"),
    ]
    assert [len(row["vector"]) for row in table] == [256, 576, 256, 576]
    assert {row["duration"] for row in table} == {5.0}
    alone = run("embed", recording, "--model", "luna-large", "--untrained", "--every", 4, "-o", "a.npz")
    assert alone[0] == 0
    expected = eegora.Embeddings.load("a.npz").pool().data
    np.testing.assert_allclose([row["vector"] for row in table if row["variant"] == "large"], expected, atol=1e-5)


def test_embed_in_pieces_writes_the_same_table(run, recording, tmp_path):
    whole, pieces = tmp_path / "whole.parquet", tmp_path / "pieces.parquet"
    assert run("embed", recording, "-m", "luna-base", "--untrained", "-o", whole)[0] == 0
    code, out, _ = run("embed", recording, "-m", "luna-base", "--untrained", "-o", pieces, "--memory", 0, "-v")
    assert code == 0
    assert "pieces.parquet: 2 × 256" in out
    one, other = pq.read_table(whole), pq.read_table(pieces)
    assert one.schema.equals(other.schema, check_metadata=True)
    np.testing.assert_allclose(np.stack(one["vector"].to_numpy()), np.stack(other["vector"].to_numpy()), atol=1e-5)


def test_a_folder_for_temporary_files_that_is_not_there(run, recording):
    code, _, err = run("embed", recording, "-m", "luna-base", "--untrained", "--memory", 0, "--temp", "nowhere")
    assert code == 2
    assert "temporary files were to go to nowhere" in err
    assert "mkdir nowhere" in err


def test_verify_of_a_file_names_the_command_that_takes_one(run, base):
    code, _, err = run("verify", base)
    assert code == 2
    assert "eegora verify MODEL --checkpoint" in one_line(err)


def test_several_recordings_go_into_a_folder_and_one_that_is_refused_does_not_stop_them(run, recording, tmp_path):

    cases = Path(__file__).parent / "data" / "recordings" / "cases"
    files = [recording, cases / "ok4.edf", cases / "tuh_ref.edf", cases / "trunc_header.edf"]
    options = ("--model", "luna-base", "--untrained", "-o", tmp_path / "out")
    code, out, err = run("embed", *files, *options)
    assert code == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "rec_raw_luna-base.parquet",
        "tuh_ref_luna-base.parquet",
    ]
    refused = [line for line in err.splitlines() if line.startswith("eegora: ")]
    assert [line.count("ok4.edf") for line in refused] == [1, 0]
    assert [line.count("trunc_header.edf") for line in refused] == [0, 1]
    assert out.splitlines()[-1] == f"2 of 4 recordings embedded into {tmp_path / 'out'}/; 2 refused"
    assert run("embed", recording, "--model", "luna-base", "--untrained", "-o", tmp_path / "one.parquet")[0] == 0
    one, other = pq.read_table(tmp_path / "one.parquet"), pq.read_table(tmp_path / "out" / "rec_raw_luna-base.parquet")
    assert one.equals(other)
    assert one.schema.metadata == other.schema.metadata
    # What is there is not replaced, and what is refused leaves with 3 where everything can be understood.
    code, _, err = run("embed", recording, cases / "ok4.edf", *options)
    assert (code, "is there already" in err) == (2, True)
    code, out, err = run("embed", recording, cases / "ok4.edf", *options, "--overwrite", "--json")
    assert (code, next(line for line in err.splitlines() if "lacks" in line).count("ok4.edf")) == (3, 1)
    done, not_done = json.loads(out)["results"]
    assert done["shape"] == {"window": 2, "feature": 256}
    assert "lacks electrodes" in not_done["error"]
    assert [Path(one["recording"]).name for one in (done, not_done)] == ["rec_raw.fif", "ok4.edf"]
    assert (Path(done["output"]).name, not_done["output"]) == ("rec_raw_luna-base.parquet", None)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-o", "all.parquet"), "all.parquet is one file, for 2 recordings"),
        (("--model", "lunar"), "no model is called 'lunar'"),
        (("--pooling", "all"), "--pooling all came"),
    ],
)
def test_what_is_wrong_for_all_recordings_is_said_once(run, recording, tmp_path, words, says):
    from shutil import copy

    copy(recording, tmp_path / "b_raw.fif")
    code, _, err = run("embed", recording, tmp_path / "b_raw.fif", "--model", "luna-base", "--untrained", *words)
    assert code == 2
    assert says in one_line(err)
    (tmp_path / "twin").mkdir()
    copy(recording, tmp_path / "twin" / "b_raw.fif")
    files = (tmp_path / "b_raw.fif", tmp_path / "twin" / "b_raw.fif")
    code, _, err = run("embed", *files, "--model", "luna-base", "--untrained")
    assert (code, "several recordings are called b_raw" in one_line(err)) == (2, True)


def test_several_recordings_with_several_models_and_charts(run, recording, tmp_path):
    from shutil import copy

    copy(recording, tmp_path / "b_raw.fif")
    files, out = (recording, tmp_path / "b_raw.fif"), tmp_path / "out"
    code, said, _ = run("embed", *files, "--model", "luna-base,eeg-dino-small", "--untrained", "-o", out)
    assert (code, said.splitlines()[-1]) == (0, f"2 of 2 recordings embedded into {out}/; 0 refused")
    assert pq.read_table(out / "b_raw_2models.parquet").num_rows == 2
    recipes = ("--recipe", "luna-base=luna-unipolar,eeg-dino-small=eeg-dino", "--overwrite")
    code, said, err = run("embed", *files, "--model", "luna-base,eeg-dino-small", "--untrained", "-o", out, *recipes)
    assert (code, said.splitlines()[-1]) == (0, f"2 of 2 recordings embedded into {out}/; 0 refused"), err
    charts = tmp_path / "charts"
    assert run("embed", *files, "-m", "luna-base", "--untrained", "-o", out, "--figures", charts)[0] == 0
    assert {path.name for path in charts.iterdir()} == {"rec_raw", "b_raw"}


def test_several_models_and_a_recipe_at_events_are_told_apart_from_every(run, recording, tmp_path):
    own = tmp_path / "ev.toml"
    text = next(r for r in SPEC.recipes if r.name == "luna-unipolar").to_toml()
    own.write_text(text.replace('step = "cut"', 'step = "cut_events"\nevents = ["left"]'))
    models = ("--model", "luna-base,eegpt", "--recipe", f"luna-base={own}", "--untrained")
    code, _, err = run("embed", recording, *models)
    assert code == 2
    assert "several models share a grid of windows; recipe luna-unipolar has its windows at events" in one_line(err)
    assert "--every" not in err


def test_derivations_are_not_told_a_recipe_that_refuses_them(run):
    file = Path(__file__).parent / "data" / "recordings" / "cases" / "tcp_bipolar.edf"
    code, _, err = run("embed", file, "--model", "luna-base", "--untrained")
    assert code == 3
    assert one_line(err).partition("Next: ")[2].startswith("--missing skip [")


def test_recordings_of_one_name_in_two_folders_stay_apart(run, recording, tmp_path):
    for folder in ("s1", "s2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rec_raw.fif").write_bytes(recording.read_bytes())
        code, _, _ = run("embed", f"{folder}/rec_raw.fif", "--model", "luna-base", "--untrained", "-o", f"{folder}.npz")
        assert code == 0
    told = {eegora.Embeddings.load(f"{folder}.npz").provenance.recording for folder in ("s1", "s2")}
    assert told == {"s1/rec_raw.fif", "s2/rec_raw.fif"}


@pytest.mark.parametrize(
    "command",
    [
        ("embed", "--model", "luna-base", "--untrained", "-o", "{}.parquet"),
        ("embed", "--model", "luna-base", "--untrained", "-o", "ok.parquet", "--figures", "{}"),
        ("classify", "--model", "luna-base", "--untrained", "-o", "{}.csv"),
        ("attention", "--model", "luna-base", "--untrained", "-o", "{}.npz"),
        ("reconstruct", "--model", "luna-base", "--untrained", "-o", "{}_raw.fif"),
        ("repair", "--model", "zuna", "--untrained", "-o", "{}_raw.fif"),
        ("repair", "--model", "zuna", "--untrained", "-o", "ok_raw.fif", "--save-mask", "{}.npz"),
        ("upsample", "--model", "zuna", "--untrained", "--to", "30", "-o", "{}_raw.fif"),
        ("export", "-o", "{}.csv"),
        ("recipe", "run", "--recipe", "eegpt", "-o", "{}.npz"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_found_out_before_any_work(run, tmp_path, command):
    (tmp_path / "file").touch()
    words = [word.format("file/in/it/out") for word in command]
    words.insert(2 if words[0] == "recipe" else 1, "not read")
    code, _, err = run(*words)
    assert code == 2
    assert "cannot write file/in/it/out" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_labels_are_renamed_on_the_command_line(run, recording, tmp_path):
    raw = mne.io.read_raw(recording, verbose="ERROR")
    raw.rename_channels({"EEG FP1-REF": "ch 1", "EEG O2-REF": "ch=2"})
    raw.save(tmp_path / "odd_raw.fif", verbose="ERROR")
    options = ("--model", "luna-base", "--untrained", "-o", "out.npz")
    code, _, err = run("embed", "odd_raw.fif", *options)
    assert (code, "missing_channels" in err) == (3, True), err
    assert run("embed", "odd_raw.fif", *options, "--rename", "ch 1=Fp1,ch=2=O2")[0] == 0
    renamed = eegora.Embeddings.load("out.npz")
    run("embed", recording, *options, "--overwrite")
    assert np.array_equal(renamed.data, eegora.Embeddings.load("out.npz").data)
    assert renamed.provenance.options["rename"] == {"ch 1": "Fp1", "ch=2": "O2"}
    code, _, err = run("embed", "odd_raw.fif", *options[:-1], "x.npz", "--rename", "ch 3=Fp1")
    assert (code, "no channel ch 3" in err) == (3, True), err
    code, _, err = run("embed", "odd_raw.fif", *options[:-1], "x.npz", "--rename", "Fp1")
    assert (code, "wanted ch1=Fp1" in err) == (2, True), err


def test_labels_that_nobody_knows_come_in_and_others_stay_out(run, recording, tmp_path):
    raw = mne.io.read_raw(recording, preload=True, verbose="ERROR")
    raw.rename_channels({"EEG FP1-REF": "left"}).set_montage(None)
    raw.save(tmp_path / "odd_raw.fif", verbose="ERROR")
    options = ("--recipe", "eegpt", "--model", "eegpt-base", "--untrained", "--json", "-o")
    picked = run("embed", "odd_raw.fif", *options, "a.npz", "--pick", "Fz,C3,C4,left", "--include", "left")
    assert picked[0] == 0, picked[2]
    kept = {use["row"]: use["sources"] for use in json.loads(picked[1])["channels"] if use["action"] != "dropped"}
    assert set(kept) == {"FZ", "C3", "C4"}, kept


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("decode", "whole.npz"), "LUNA does not decode; models that do: zuna"),
        (("decode", "table.parquet", "--model", "zuna"), "pooled (window); decoding needs every token"),
        (("classify", "{}", "--model", "zuna"), "ZUNA does not classify"),
        (("attention", "{}", "--model", "zuna"), "ZUNA does not show attention; models that do: eegpt, luna"),
        (("attention", "{}"), "models that show attention: eegpt-base"),
        (("embed", "{}", "--model", "luna-base", "--missing", "nope"), "use one of refuse, skip, zero"),
        (("fetch", "luna-base", "--offline"), "Next: run it where the hub can be reached, with --to DIR"),
    ],
)
def test_what_cannot_be_is_said_before_a_checkpoint_is_looked_for(run, recording, command, says):
    """The hub is out of reach here: whoever asked it first would say so."""
    for name in ("whole.npz", "table.parquet"):
        run("embed", recording, "--model", "luna-base", "--untrained", "-o", name)
    _, _, err = run(*(word.format(recording) for word in command))
    assert says in one_line(err)
    assert "unreachable" not in err
    assert " any" not in err or "--missing" not in command


def test_a_bad_channel_is_left_out_as_the_note_says(run, recording, tmp_path):
    raw = mne.io.read_raw(recording, verbose="ERROR")
    raw.info["bads"] = ["EEG O1-REF"]
    raw.save(tmp_path / "bad_raw.fif", verbose="ERROR")
    options = ("--model", "luna-base", "--untrained", "-o", "o.npz", "--overwrite")
    _, _, err = run("embed", "bad_raw.fif", *options)
    note = next(line for line in err.splitlines() if "marked bad" in line)
    assert "T5-O1, P3-O1; --exclude O1 --missing skip leaves it out" in note
    code, _, err = run("embed", "bad_raw.fif", *options, *note.partition("; ")[2].split()[:4])
    assert (code, "marked bad" in err) == (0, False)
    _, _, err = run("embed", "bad_raw.fif", "--model", "eegpt-base", *options[2:])
    assert "--exclude O1 leaves it out" in err


def test_derivations_alone_are_told_what_starts_from_them(run, recording, tmp_path):
    rng = np.random.default_rng(0)
    names = ["EEG Fpz-Cz", "EEG Pz-Oz"]
    raw = mne.io.RawArray(rng.standard_normal((2, 6400)) * 2e-5, mne.create_info(names, 100, "eeg"), verbose="ERROR")
    raw.save(tmp_path / "psg_raw.fif", verbose="ERROR")
    code, _, err = run("embed", "psg_raw.fif", "--model", "eegpt-base", "--untrained", "-o", "o.npz")
    assert code == 3
    assert "eegpt-sleepedf starts from derivations, for a checkpoint that was trained with them" in one_line(err)
    chain = [*"FP1-F7 F7-T3 T3-T5 T5-O1 FP2-F8 F8-T4 T4-T6 T6-O2".split(), *"FP1-F3 F3-C3 C3-P3 P3-O1".split()]
    chain += "FP2-F4 F4-C4 C4-P4 P4-O2".split()
    data = rng.standard_normal((16, 6400)) * 2e-5
    mne.io.RawArray(data, mne.create_info(chain, 200, "eeg"), verbose="ERROR").save(
        tmp_path / "tcp_raw.fif", verbose="ERROR"
    )
    options = ("--model", "eeg-dino-small", "--untrained", "-o", "o.npz")
    code, _, err = run("embed", "tcp_raw.fif", *options)
    assert code == 3
    recipe = one_line(err).split("--recipe ")[1].split()[0]
    assert run("embed", "tcp_raw.fif", *options, "--recipe", recipe)[0] == 0


def test_several_models_each_have_a_recipe_and_their_notes_a_name(run, electrodes):
    options = ("--model", "luna-base,eegpt-base", "--untrained", "-v", "-o", "m.parquet")
    code, _, err = run("embed", electrodes, *options)
    assert code == 3
    hint = next(line for line in err.splitlines() if line.startswith("eegora: luna-base: "))
    recipe = hint.split("--recipe ")[1].split()[0]
    assert recipe.startswith("luna-base=luna-")
    code, out, err = run("embed", electrodes, *options, "--recipe", recipe)
    assert code == 0, err
    assert out.splitlines()[-1].endswith(": luna-base 2, eegpt-base 2; UNTRAINED: luna-base, eegpt-base")
    notes = [line for line in err.splitlines() if line.startswith("note: ")]
    assert notes
    assert all(line.startswith(("note: luna-base: ", "note: eegpt-base: ")) for line in notes)
    steps = [int(line.split(".")[0]) for line in err.splitlines() if line[:1].isdigit()]
    assert steps == list(range(1, len(steps) + 1))
    code, _, err = run("embed", electrodes, *options, "--recipe", "zuna=zuna11", "--overwrite")
    assert (code, "models here are luna-base, eegpt-base" in err) == (2, True)


def test_prepared_windows_are_embedded_as_the_recording_is(run, recording):
    options = ("--model", "luna-base", "--untrained")
    for ending in ("npz", "safetensors"):
        assert run("recipe", "run", recording, "--recipe", "luna-tuab", "-o", f"ro.{ending}")[0] == 0
        assert run("embed", f"ro.{ending}", *options, "-o", "windows.npz", "--overwrite")[0] == 0
        assert run("embed", recording, *options, "-o", "whole.npz", "--overwrite")[0] == 0
        windows, whole = (eegora.Embeddings.load(f"{name}.npz") for name in ("windows", "whole"))
        assert np.array_equal(windows.data, whole.data)
        assert windows.provenance.recording == str(recording)
    code, _, err = run("embed", "ro.npz", *options, "-o", "x.npz", "--exclude", "O1")
    assert (code, "--exclude comes too late" in one_line(err)) == (2, True)
    for words in (("--every", "2"), ("--unknown", "drop")):
        code, _, err = run("embed", "ro.npz", *options, "-o", "x.npz", *words)
        assert (code, f"{words[0]} comes too late" in one_line(err)) == (2, True)
    code, out, err = run("embed", "ro.npz", "--model", "luna-base,luna-large", "--untrained", "-o", "x.parquet")
    assert (code, out.splitlines()[-1].startswith("x.parquet: a row per model and start: luna-base")) == (0, True), err


def test_prepared_windows_are_refused_by_name_where_a_recording_or_a_checkpoint_is_wanted(run, recording):
    assert run("recipe", "run", recording, "--recipe", "luna-tuab", "-o", "ro.npz")[0] == 0
    wanted = {"a recording": (("check",), ("repair", "--model", "zuna")), "a checkpoint": (("inspect",), ("convert",))}
    for what, commands in wanted.items():
        for verb, *words in commands:
            more = ("-o", "x.safetensors") if verb == "convert" else words
            code, _, err = run(verb, "ro.npz", *more)
            assert (code, f"ro.npz holds prepared windows, wanted {what}" in one_line(err)) == (2, True), err


def test_one_name_is_given_once(run, recording):
    code, _, err = run("embed", recording, "--model", "luna-base", "--untrained", "--rename", "A=Cz,A=Pz")
    assert (code, "--rename A=Cz and A=Pz came" in one_line(err)) == (2, True)
