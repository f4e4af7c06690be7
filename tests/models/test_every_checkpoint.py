"""Checkpoints of every model folder: recognised, fingerprinted, converted and proven, without naming a model."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_file_torch

from eegora import assembly, converting, loading, registry
from eegora.checkpoints import fingerprints
from eegora.checkpoints.read import read_metadata, sha256_of
from eegora.checkpoints.rename import new_names
from eegora.checkpoints.synthetic import synthetic_state_dict
from eegora.cli.main import main
from eegora.errors import CheckpointError, UsageError
from eegora.parity.manifests import find_layout, write_checkpoint, write_config
from tests.models.conftest import MODELS, name_of
from tests.models.test_every_model import smallest

HERE = Path(__file__).parent
HUGE = 3e8
LARGE = 1e6  # numbers; of a family, the smaller sizes stand for the larger ones


def manifests():
    """The committed manifests: (model, file)."""
    found = [(m, path) for m in MODELS for path in sorted((HERE / m / "vectors").glob("*.json"))]
    layouts = {path: find_layout(path.stem, [path.parent]).layout for _, path in found}
    numbers = {path: sum(math.prod(shape) for shape, _ in layout.values()) for path, layout in layouts.items()}
    return [(m, path) for m, path in found if numbers[path] < LARGE]


def large_manifests():
    """Those beside the vectors that EEGORA_VECTORS names, but for the few whose verification takes minutes."""
    folder = os.environ.get("EEGORA_VECTORS")
    if not folder:
        return []
    found = []
    for path in sorted((Path(folder).parent / "manifests").glob("*.json")):
        (model,) = [m for m in MODELS if registry.plain(path.stem.split("-")[0]) == registry.plain(m)]
        numbers = sum(math.prod(shape) for shape, _ in find_layout(path.stem, [path.parent]).layout.values())
        found += [(model, path)] if LARGE <= numbers < HUGE else []
    assert {model for model, _ in found} > set(), f"no manifests beside {folder}"
    return found


MANIFESTS = manifests()


def fingerprint_of(model, tensors, config):
    code, spec = registry.code(model), registry.specs()[model]
    reading = assembly.read_as(code, tensors, "test", config)
    reading.coverage.raise_for("test")
    loaded = assembly.assembled(code, reading, "float64")
    return assembly.fingerprint(spec, code, loaded.network, loaded.config)


def published(model):
    """Tensors of the smallest configuration in the published layout, the rules that filled them, and the configuration."""
    config = smallest(model)
    layout = {k: v for k, v in registry.code(model).layout(config).items() if v[1] != assembly.CONSTANT}
    tensors = {key: torch.from_numpy(value) for key, value in synthetic_state_dict(layout, 0).items()}
    return tensors, {key: rule for key, (_, rule) in layout.items()}, config


@pytest.mark.parametrize("model", MODELS)
def test_fingerprint_catches_every_transposed_square_matrix(model):
    tensors, _, config = published(model)
    own = fingerprint_of(model, tensors, config)
    assert fingerprint_of(model, tensors, config) == own
    square = [k for k, t in tensors.items() if t.ndim == 2 and t.shape[0] == t.shape[1] > 1]
    assert square
    # One per kind of layer is enough: layers of a kind run the same code.
    kinds = {re.sub(r"\.\d+\.", ".*.", key): key for key in square}
    for key in kinds.values():
        assert fingerprint_of(model, tensors | {key: tensors[key].T.contiguous()}, config) != own, key


@pytest.mark.parametrize("model", MODELS)
def test_fingerprint_catches_exchanged_layers(model):
    tensors, _, config = published(model)
    own = fingerprint_of(model, tensors, config)
    pairs = [(k, re.sub(r"\.0\.", ".1.", k, count=1)) for k in tensors if ".0." in k]
    pairs = [(a, b) for a, b in pairs if b in tensors and tensors[a].shape == tensors[b].shape and tensors[a].ndim == 2]
    stacks = {a.split(".0.")[0]: [] for a, _ in pairs}
    assert stacks
    for a, b in pairs:
        stacks[a.split(".0.")[0]].append((a, b))
    for stack, both in stacks.items():
        exchanged = dict(tensors)
        for a, b in both:
            exchanged[a], exchanged[b] = tensors[b], tensors[a]
        assert fingerprint_of(model, exchanged, config) != own, stack


@pytest.mark.parametrize("model", MODELS)
def test_fingerprint_does_not_depend_on_threads(model):
    tensors, _, config = published(model)
    before = torch.get_num_threads()
    found = set()
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            found.add(fingerprint_of(model, tensors, config))
    finally:
        torch.set_num_threads(before)
    assert len(found) == 1


def make(path, folder):
    """A synthetic checkpoint of a manifest, with its config.json beside it."""
    manifest = find_layout(path.stem, [path.parent])
    write_config(manifest.config, folder)
    return write_checkpoint(manifest, folder)


@pytest.mark.parametrize("pair", MANIFESTS, ids=name_of)
def test_inspect_verify_and_convert_every_manifest(pair, tmp_path, capfd, monkeypatch):
    model, manifest = pair
    spec = registry.specs()[model]
    monkeypatch.setattr(fingerprints, "user_store", lambda: tmp_path / "data" / "fingerprints.json")
    file = make(manifest, tmp_path)

    def run(*arguments):
        code = main([str(a) for a in arguments])
        out, err = capfd.readouterr()
        assert code == 0, err
        return out

    said = json.loads(run("inspect", file, "--json"))
    (found,) = said["models"]
    assert (found["model"], found["fits"], found["missing"], found["unknown"]) == (spec.name, True, [], [])
    assert len(said["tensors"]) == said["n_tensors"] == len(load_file(file))
    assert sum(said["parts"].values()) == said["n_numbers"]
    assert spec.name in run("inspect", file)

    proof = json.loads(run("verify", spec.name, "--checkpoint", file, "--json", "--record"))
    assert proof["sha256"] == said["sha256"]
    assert proof["fingerprint_state"] == "not recorded"
    again = json.loads(run("verify", spec.name, "--checkpoint", file, "--json"))
    assert (again["fingerprint"], again["fingerprint_state"]) == (proof["fingerprint"], "equal")

    target = tmp_path / "out" / "c.safetensors"
    run("convert", file, "-o", target)
    record = json.loads(read_metadata(target)["eegora"])
    assert record["source_sha256"] == said["sha256"]
    assert set(record["dropped"]) == set(found["dropped"])
    # Alone in its folder, without the config.json: what the tensors do not tell is in the file.
    converted = json.loads(run("verify", spec.name, "--checkpoint", target, "--json"))
    assert converted["fingerprint"] == proof["fingerprint"]
    assert converted["renamed"] == {}


if LARGER := large_manifests():  # where EEGORA_VECTORS names a folder; elsewhere there is nothing to skip

    @pytest.mark.parametrize("pair", LARGER, ids=name_of)
    def test_inspect_and_verify_every_large_manifest(pair, tmp_path, capfd):
        model, manifest = pair
        file = make(manifest, tmp_path)
        assert main(["inspect", str(file), "--json"]) == 0
        (found,) = json.loads(capfd.readouterr().out)["models"]
        assert (found["model"], found["fits"]) == (registry.specs()[model].name, True)
        assert main(["verify", registry.specs()[model].name, "--checkpoint", str(file), "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["variant"] == found["variant"]


@pytest.mark.parametrize("model", MODELS)
def test_lightning_file_is_converted_to_the_same_network(model, tmp_path):
    tensors, _, config = published(model)
    torch.save({"state_dict": tensors, "epoch": 3}, tmp_path / "x.ckpt")
    made = converting.convert(tmp_path / "x.ckpt", tmp_path / "x.safetensors", fields=config)
    again = converting.convert(tmp_path / "x.ckpt", tmp_path / "y.safetensors", fields=config)
    assert made.sha256 == again.sha256 == sha256_of(tmp_path / "x.safetensors")
    stored = load_file(tmp_path / "x.safetensors")
    assert stored.keys() == tensors.keys()
    assert all(torch.equal(stored[key], tensors[key]) for key in tensors)
    with pytest.raises(UsageError, match="exists"):
        converting.convert(tmp_path / "x.ckpt", tmp_path / "x.safetensors", fields=config)
    half = converting.convert(tmp_path / "x.ckpt", tmp_path / "h.safetensors", fields=config, dtype="bfloat16")
    assert {t.dtype for t in load_file(half.path).values()} == {torch.bfloat16}


@pytest.mark.parametrize("model", MODELS)
def test_convert_replaces_a_file_only_if_told_to_and_never_its_source(model, tmp_path, capfd):
    tensors, _, config = published(model)
    torch.save({"state_dict": tensors}, tmp_path / "x.ckpt")
    fields = [word for key, value in config.items() for word in ("--set", f"{key}={json.dumps(value)}")]
    target = tmp_path / "x.safetensors"
    words = ["convert", str(tmp_path / "x.ckpt"), "-o", str(target), *fields]
    target.write_bytes(b"something else")
    assert main(words) == 2
    assert "--overwrite" in capfd.readouterr().err
    assert target.read_bytes() == b"something else"
    assert main([*words, "--overwrite"]) == 0
    assert load_file(target).keys() == tensors.keys()
    before = target.read_bytes()
    capfd.readouterr()
    assert main(["convert", str(target), "-o", str(target), "--overwrite"]) == 2
    assert "is the source itself" in capfd.readouterr().err
    assert target.read_bytes() == before


@pytest.mark.parametrize("model", MODELS)
def test_inspect_leaves_with_three_if_nothing_can_be_loaded(model, tmp_path, capfd):
    tensors, _, config = published(model)
    (tmp_path / "config.json").write_text(json.dumps(config))
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    save_file_torch(tensors, whole)
    save_file_torch(dict(list(tensors.items())[:-1]), cut)
    assert main(["inspect", str(whole)]) == 0
    capfd.readouterr()
    assert main(["inspect", str(cut), "--json"]) == 3
    said = json.loads(capfd.readouterr().out)
    assert not any(found["fits"] for found in said["models"])


@pytest.mark.parametrize("model", MODELS)
def test_a_changed_record_is_noticed(model, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(fingerprints, "user_store", lambda: tmp_path / "fingerprints.json")
    tensors, _, config = published(model)
    save_file({key: value.numpy() for key, value in tensors.items()}, tmp_path / "x.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    name, file = registry.specs()[model].name, str(tmp_path / "x.safetensors")
    assert main(["verify", name, "--checkpoint", file, "--record"]) == 0
    store = json.loads((tmp_path / "fingerprints.json").read_text())
    (entry,) = store.values()
    digest, fingerprint = next(iter(entry.items()))
    entry[digest] = fingerprint[:-1] + ("0" if fingerprint[-1] != "0" else "1")
    (tmp_path / "fingerprints.json").write_text(json.dumps(store))
    capfd.readouterr()
    assert main(["verify", name, "--checkpoint", file]) == 1
    assert "NOT the recorded one" in capfd.readouterr().out


def attacked(model, how):
    """Tensors of the smallest configuration, tampered with."""
    tensors, _, config = published(model)
    matrices = [key for key, t in tensors.items() if t.ndim > 1 and t.numel() > 1]
    oblong = next(key for key in matrices if tensors[key].ndim == 2 and len(set(tensors[key].shape)) > 1)
    last = matrices[-1]
    if how == "half of it":
        return {key: tensors[key] for key in list(tensors)[: len(tensors) // 2]}, config
    if how == "transposed":
        return tensors | {oblong: tensors[oblong].T.contiguous()}, config
    if how == "a NaN":
        return tensors | {last: tensors[last].index_fill(0, torch.tensor([0]), math.nan)}, config
    if how == "of no numbers":
        return tensors | {last: tensors[last].to(torch.int32)}, config
    if how == "one tensor more":
        return tensors | {"somewhere.else.weight": torch.ones(3)}, config
    if how == "all zero":
        return {key: torch.zeros_like(value) for key, value in tensors.items()}, config
    if how == "all one value":
        return {key: torch.full_like(value, 0.1) for key, value in tensors.items()}, config
    raise AssertionError(how)


@pytest.mark.parametrize(
    "how", "half of it,transposed,a NaN,of no numbers,one tensor more,all zero,all one value".split(",")
)
@pytest.mark.parametrize("model", MODELS)
def test_a_checkpoint_that_was_tampered_with_is_refused(model, how, tmp_path, capfd):
    tensors, config = attacked(model, how)
    save_file({key: value.numpy() for key, value in tensors.items()}, tmp_path / "x.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    for command in ("verify", "convert"):
        model_name = registry.specs()[model].name
        where = ["--checkpoint", str(tmp_path / "x.safetensors")]
        arguments = ["verify", model_name, *where]
        if command == "convert":
            arguments = ["convert", where[1], "-o", str(tmp_path / "y.safetensors"), "--model", model_name]
        if command == "convert" and how.startswith("all"):
            continue  # converts what is there; nothing is computed with it
        assert main(arguments) in (2, 3)
        out, err = capfd.readouterr()
        assert (out, err.count("\n")) == ("", 1), err
        assert not (tmp_path / "y.safetensors").exists()


@pytest.mark.parametrize("model", MODELS)
def test_what_is_odd_but_fits_is_said_in_every_result(model, tmp_path, raw):
    """Layers that nobody filled, biases as before training, half precision."""
    tensors, _, config = published(model)
    last = [key for key, t in tensors.items() if t.ndim == 2 and min(t.shape) > 1][-1]
    flat = tensors | {last: torch.zeros_like(tensors[last])}
    silent = {k: torch.zeros_like(t) if k.endswith("bias") else t for k, t in tensors.items()}
    half = {key: value.to(torch.bfloat16) for key, value in tensors.items()}
    code = registry.code(model)
    for changed, words in ((flat, "as if never filled"), (silent, "every bias is 0"), (half, "stored as bfloat16")):
        reading = assembly.read_as(code, changed, "test", config)
        reading.coverage.raise_for("test")
        assert any(words in note for note in assembly.assembled(code, reading, "float32").notes), words
    notes = assembly.assembled(code, assembly.read_as(code, tensors, "test", config), "float32").notes
    assert not any(words in note for note in notes for words in ("never filled", "every bias", "stored as"))
    save_file_torch(half, tmp_path / "x.safetensors")
    ready = loading.load_model(model, checkpoint=tmp_path / "x.safetensors", config=config, device="cpu")
    assert any("stored as bfloat16, computed in float32" in note for note in ready.embed(raw).provenance.notes)


@pytest.mark.parametrize("model", MODELS)
def test_a_layer_of_number_999999999_is_one_layer_too_many(model):
    """And not a thousand million of them, for each of which a layout would be made."""
    tensors, _, config = published(model)
    code = registry.code(model)
    stacks = sorted({re.split(r"\.\d+\.", key)[0] for key in tensors if re.search(r"(blocks|layers)\.\d+\.", key)})
    assert stacks
    for stack in stacks:
        key = next(key for key in tensors if key.startswith(f"{stack}.0."))
        more = tensors | {key.replace(f"{stack}.0.", f"{stack}.999999999."): tensors[key]}
        with pytest.raises(CheckpointError) as error:
            assembly.read_as(code, more, "test", config).coverage.raise_for("test")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("model", MODELS)
def test_a_config_json_that_asks_for_a_thousand_million_is_refused(model, tmp_path):
    tensors, _, config = published(model)
    code = registry.code(model)
    detected = assembly.read_as(code, tensors, "test").config
    numbers = [key for key, value in detected.items() if isinstance(value, int) and not isinstance(value, bool)]
    assert numbers
    for key in numbers:
        with pytest.raises(CheckpointError) as error:
            assembly.read_as(code, tensors, "test", None, {**config, key: 10**9})
        assert error.value.code == "bad_config"
        assert key in str(error.value)


def classifiers():
    """(model, configuration) of the committed manifests that hold a head, a small one per model."""
    found = {}
    for model, path in MANIFESTS:
        layout, code = find_layout(path.stem, [path.parent]).layout, registry.code(model)
        names, _ = new_names(layout, code.renames(layout, {}))
        config = code.detect({new: layout[old][0] for old, new in names.items()})
        if "classify" in code.tasks(config):
            found[model] = path
    return sorted(found.items())


@pytest.mark.parametrize("pair", classifiers(), ids=name_of)
def test_a_random_head_does_not_classify_unless_allowed(pair, tmp_path, capfd):
    """Biases of 0, as most initialisations leave them."""
    model, manifest = pair
    spec, code = registry.specs()[model], registry.code(model)
    file = make(manifest, tmp_path)
    tensors = {key: value * 1.5 for key, value in load_file(file).items()}  # not what the synthetic rule makes
    save_file_torch(tensors, file)
    trained = loading.load_model(spec.name, checkpoint=file, device="cpu")
    assert "classify" in trained.tasks
    assert trained.doubts == {}
    tensors = load_file(file)
    reading = assembly.read_as(code, tensors, "test", None, json.loads((tmp_path / "config.json").read_text()))
    (part,) = [part for name, part in code.tuned(reading.tensors, reading.config).items() if "head" in name]
    for key in tensors:
        if any(tensors[key] is value for value in part.values()) and key.endswith("bias"):
            tensors[key] = torch.zeros_like(tensors[key])
    save_file({key: value.numpy() for key, value in tensors.items()}, file)
    ready = loading.load_model(spec.name, checkpoint=file, device="cpu")
    assert "classify" not in ready.tasks
    assert "classification head looks as if it had never been trained" in ready.doubts["classify"]
    windows = own_windows(ready)
    with pytest.raises(CheckpointError, match="--allow-untrained") as error:
        ready.classify(windows)
    assert error.value.code == "untrained_part"
    said = ready.classify(windows, allow_untrained=True)
    assert said.provenance.untrained
    assert any("the numbers mean nothing" in note for note in said.provenance.notes)
    assert not trained.classify(windows).provenance.untrained
    assert not ready.embed(windows).provenance.untrained
    capfd.readouterr()
    assert main(["verify", spec.name, "--checkpoint", str(file)]) == 0
    assert "refuses to classify" in capfd.readouterr().out


@pytest.mark.parametrize("model", MODELS)
def test_published_files_do_only_what_they_are_trained_for(model):
    """Their other parts, such as a head that a library put there at random, are doubted whatever is in them."""
    loaded = assembly.Loaded(None, {}, None)
    for variant in registry.specs()[model].variants:
        doubts = loading._doubts((*variant.trained, "classify"), loaded, variant)
        assert set(doubts) == {"classify"}
        assert "not trained to classify" in doubts["classify"]
    assert loading._doubts(("embed", "classify"), loaded, None) == {}


def own_windows(ready):
    """The fixed input in the size that a model's own channel step and head take."""
    windows = assembly.probe_windows(ready.spec)
    own = registry.code(registry.find(ready.spec.name)[0]).own_input
    return assembly._of_own_size(windows, *own(ready.config)) if own else windows


@pytest.mark.parametrize("model", MODELS)
def test_what_a_model_asks_its_checkpoint_is_answered_by_verify(model, tmp_path, capfd):
    tensors, _, config = published(model)
    save_file({key: value.numpy() for key, value in tensors.items()}, tmp_path / "x.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    arguments = ["verify", registry.specs()[model].name, "--checkpoint", str(tmp_path / "x.safetensors")]
    assert main([*arguments, "--json"]) == 0
    answers = json.loads(capfd.readouterr().out)["findings"]
    assert bool(answers) is (registry.code(model).examine is not None)
    assert main(arguments) == 0
    out = capfd.readouterr().out
    for answer in answers:
        assert f"{answer['question']} {answer['answer']}" in out
        assert answer["question"].endswith("?")
        assert all(math.isfinite(value) for value in answer["numbers"].values())


def test_fingerprint_is_written_into_results(tmp_path, raw):
    model = MODELS[-1] if len(MODELS) == 1 else next(m for m in MODELS if len(registry.specs()[m].variants) > 1)
    tensors, _, config = published(model)
    save_file({key: value.numpy() for key, value in tensors.items()}, tmp_path / "x.safetensors")
    ready = loading.load_model(model, checkpoint=tmp_path / "x.safetensors", config=config, device="cpu")
    assert ready.checkpoint["fingerprint"] == fingerprint_of(model, tensors, config)
    assert ready.embed(raw).provenance.checkpoint["fingerprint"] == ready.checkpoint["fingerprint"]
    with pytest.raises(UsageError, match="needs_float64"):
        loading.fingerprint(ready)


def test_a_file_of_no_model(tmp_path, capfd):
    file = tmp_path / "x.safetensors"
    save_file({"layer.weight": torch.zeros(3, 4).numpy(), "layer.bias": torch.ones(3).numpy()}, file)
    assert main(["inspect", str(file), "--json"]) == 3
    said = json.loads(capfd.readouterr().out)
    assert said["models"] == []
    assert said["suspicious"] == {"layer.weight": ["all zero"], "layer.bias": ["constant 1"]}
    assert main(["inspect", str(file)]) == 3
    assert "none of ours" in capfd.readouterr().out
    with pytest.raises(CheckpointError, match="not_recognised"):
        converting.convert(file, tmp_path / "y.safetensors")
    assert not (tmp_path / "y.safetensors").exists()


def test_a_half_of_a_model_says_what_is_missing(tmp_path, capfd):
    for model in MODELS:
        tensors, _, _ = published(model)
        gone = list(tensors)[-1]
        save_file({k: v.numpy() for k, v in tensors.items() if k != gone}, tmp_path / "x.safetensors")
        main(["inspect", str(tmp_path / "x.safetensors"), "--json"])
        found = json.loads(capfd.readouterr().out)["models"]
        mine = [entry for entry in found if entry["model"] == registry.specs()[model].name]
        assert not mine or (mine[0]["fits"], mine[0]["missing"]) == (False, [gone])


def test_a_folder_is_converted(tmp_path, capfd):
    (tmp_path / "in").mkdir()
    for model in MODELS:
        tensors = published(model)[0]
        torch.save(tensors, tmp_path / "in" / f"{model}.pt")
    (tmp_path / "in" / "zz.bin").write_bytes(b"not a checkpoint at all")
    arguments = ["convert", "--all", "--input-dir", str(tmp_path / "in"), "--output-dir", str(tmp_path / "out")]
    codes = [main(arguments), main(arguments)]
    out, err = capfd.readouterr()
    assert codes == [3, 3]
    assert "zz.bin: not converted" in err
    assert "Traceback" not in err
    made = {p.stem for p in (tmp_path / "out").iterdir()}
    assert made <= set(MODELS)
    assert f"{len(made)} of {len(MODELS) + 1} files converted" in out
    assert f"0 of {len(MODELS) + 1} files converted" in out  # nothing is replaced


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["convert", "a.pt"], "-o OUT"),
        (["convert", "a.pt", "-o", "b.pt"], "only safetensors"),
        (["convert", "a.pt", "-o", "b.safetensors", "--dtype", "int8"], "bfloat16"),
        (["convert", "a.pt", "-o", "b.safetensors", "--set", "branch"], "NAME=VALUE"),
        (["convert", "--all", "-o", "b.safetensors"], "--input-dir"),
        (["convert", "--all", "--input-dir", "gone", "--output-dir", "x"], "gone"),
        (["convert", "gone.pt", "-o", "b.safetensors"], "gone.pt"),
        (["inspect", "gone.pt"], "gone.pt"),
        (["verify", MODELS[0], "--checkpoint", "gone.pt"], "gone.pt"),
        (["verify", MODELS[0], "--checkpoint", "gone.pt", "--repo", "a/b"], "--checkpoint"),
    ],
)
def test_a_mistake_is_one_line(arguments, words, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
    assert os.listdir(tmp_path) == []


MEASURE = """
import resource, sys
from eegora import assembly, registry
code = registry.code(sys.argv[1])  # brings in torch
import safetensors.torch
unit = 1 if sys.platform == "darwin" else 1024
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
before = peak()
loaded = assembly.load_network(code, sys.argv[2], config=sys.argv[3] if len(sys.argv) > 3 else None)
loading = peak() - before
parameters = list(loaded.network.parameters())
for p in parameters:
    p.sum()
print(loading, peak() - before, sum(p.numel() for p in parameters), int("torch._dynamo" in sys.modules))
"""


def test_peak_memory_of_loading_a_large_file(tmp_path):
    """A file of almost only zeros, of which the disk holds little: folded matrices are made beside it, not on top of all of it."""
    model, config = largest()
    file = tmp_path / "large.safetensors"
    entries, n_bytes = {}, 0
    for key, (shape, rule) in registry.code(model).layout(config).items():
        if rule != assembly.CONSTANT:
            size = 4 * torch.Size(shape).numel()
            entries[key] = {"dtype": "F32", "shape": list(shape), "data_offsets": [n_bytes, n_bytes + size]}
            n_bytes += size
    head = json.dumps(entries).encode()
    with file.open("wb") as out:
        out.write(len(head).to_bytes(8, "little") + head)
        out.truncate(8 + len(head) + n_bytes)
        for entry in entries.values():  # or it would be refused as never filled
            out.seek(8 + len(head) + entry["data_offsets"][0])
            out.write(b"\0\0\x80\x3f")
    command = [sys.executable, "-c", MEASURE, model, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loading, using, n_numbers, compiler = map(int, done.stdout.split())
    assert n_bytes > 1.2e9
    assert n_numbers > 2e8
    assert loading < 1.15 * n_bytes
    assert using < 1.15 * n_bytes
    assert not compiler  # a second of imports


@pytest.mark.parametrize("model", MODELS)
def test_loading_does_not_bring_in_torchs_compiler(model, tmp_path):
    """Which takes a second: random values for parameters on the meta device would."""
    tensors, _, config = published(model)
    save_file({key: value.numpy() for key, value in tensors.items()}, tmp_path / "x.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-c", MEASURE, model, str(tmp_path / "x.safetensors"), str(tmp_path / "config.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split()[3] == "0"


def largest():
    """The model and configuration with the most parameters that are published in one file."""
    variants = [(v.parameters, m, dict(v.config)) for m in MODELS for v in registry.specs()[m].variants]
    _, model, config = max(variants, key=lambda entry: entry[0])
    return model, config
