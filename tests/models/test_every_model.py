"""What every model folder must keep, applied to each without naming one: a new folder is tested by being there."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import eegora
from eegora import assembly, models, registry
from eegora.compute.device import choose_device
from eegora.errors import CheckpointError, RecordingError, UsageError
from eegora.model import Model
from eegora.parity.run import run_vectors
from eegora.preparation import Preparation
from eegora.spec import TASKS, ModelCode, ModelSpec
from tests.models.conftest import MODELS, big_vectors, name_of, small_vectors

FILES = {"spec", "network", "checkpoint", "inference", "reference"}


def run(model, path, **options):
    folders = [path.parent, path.parent.parent / "manifests"]
    return run_vectors(
        path, code=registry.code(model), reference=registry.reference(model), manifest_folders=folders, **options
    )


@pytest.mark.parametrize("model", MODELS)
def test_a_folder_has_its_files(model):
    (root,) = models.__path__
    assert {p.stem for p in (Path(root) / model).glob("*.py")} >= FILES
    assert isinstance(registry.specs()[model], ModelSpec)
    assert isinstance(registry.code(model), ModelCode)


@pytest.mark.parametrize("model", MODELS)
def test_the_spec_is_whole(model):
    spec = registry.specs()[model]
    assert spec.variants
    assert spec.axes[0] == "window"
    assert spec.axes[-1] == "feature"
    assert spec.poolings
    assert set(spec.tasks) <= set(TASKS)
    for recipe in spec.recipes:
        recipe.checked()
        assert eegora.Recipe.from_toml(recipe.to_toml()) == recipe
        for step in recipe.steps:
            assert step.source, f"{recipe.name}: {step.name} does not say where its numbers come from"
    for variant in spec.variants:
        if variant.published is not None:
            assert variant.published.licence
            assert variant.published.repos


@pytest.mark.parametrize("model", MODELS)
def test_the_code_offers_the_tasks_of_the_spec(model):
    spec, code = registry.specs()[model], registry.code(model)
    assert {task for task in TASKS if getattr(code, task) is not None} == set(spec.tasks)


@pytest.mark.parametrize("model", MODELS)
def test_published_parameter_counts(model):
    """The layout of each variant holds as many numbers as the spec says."""
    spec, code = registry.specs()[model], registry.code(model)
    for variant in spec.variants:
        layout = code.layout(variant.config)
        assert sum(int(np.prod(shape)) for shape, _ in layout.values()) == variant.parameters, variant.name


def test_every_model_has_vectors_here():
    assert {model for model, _ in small_vectors()} == set(MODELS)


@pytest.mark.parametrize("pair", small_vectors(), ids=name_of)
def test_parity_with_the_small_vectors(pair):
    report = run(*pair)
    assert report.rows
    bad = [row for row in report.rows if not row.judgement.ok]
    assert report.ok, (report.failures[:3], bad[:3])


if BIG := big_vectors():  # where EEGORA_VECTORS names their folder they must run; elsewhere there is nothing to skip

    @pytest.mark.slow
    @pytest.mark.parametrize("pair", BIG, ids=name_of)
    def test_parity_with_the_big_vectors(pair):
        model, path = pair
        report = run_vectors(
            path,
            code=registry.code(model),
            reference=registry.reference(model),
            manifest_folders=[path.parent.parent / "manifests"],
        )
        bad = [row for row in report.rows if not row.judgement.ok]
        assert report.ok, (report.failures[:3], bad[:3])


@pytest.mark.parametrize("model", MODELS)
def test_a_changed_expectation_fails(model, tmp_path):
    """One expected value moved by 1e-2 must be noticed in every case that a small file has."""
    path = next(path for m, path in small_vectors() if m == model and "tiny" in path.stem)
    for manifest in path.parent.glob("*.json"):
        shutil.copy(manifest, tmp_path)
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        metadata = file.metadata()
    cases = json.loads(metadata["cases"])
    tensors = load_file(path)
    name, case = next((name, case) for name, case in cases.items() if case["manifest"])
    stage, expected = next(iter(case["expected"].items()))
    tensor = expected if isinstance(expected, str) else expected["tensor"]
    changed = tensors[tensor].copy()
    changed.flat[0] += changed.dtype.type(1) if changed.dtype.kind == "i" else 1e-2
    save_file(tensors | {tensor: changed}, tmp_path / path.name, metadata=metadata)
    report = run(model, tmp_path / path.name)
    assert not report.ok
    assert any(row.case == name and row.stage == stage and not row.judgement.ok for row in report.rows)


def smallest(model):
    """A model with the smallest configuration that its tests have a manifest for."""
    from eegora.checkpoints.synthetic import read_manifest

    folder = next(path.parent for m, path in small_vectors() if m == model)
    code = registry.code(model)
    for path in sorted(folder.glob("*tiny*.json")):
        manifest = read_manifest(path)
        try:
            config = dict(manifest.config)
            layout = {k: v for k, v in code.layout(config).items() if v[1] != assembly.CONSTANT}
        except (KeyError, CheckpointError):
            continue
        if set(layout) == set(manifest.layout):
            return config
    raise AssertionError(f"{model}: no tiny manifest of the published layout")


def tiny_model(model):
    """A tiny untrained Model, made as `load_model` makes one."""
    spec, code = registry.specs()[model], registry.code(model)
    loaded = assembly.untrained_network(code, smallest(model), seed=1)
    record = {"source": "untrained", "name": "tiny", "seed": 1}
    return Model(spec, code, loaded, variant="custom", device=choose_device("cpu"), checkpoint=record)


@pytest.fixture(scope="module", params=MODELS)
def tiny(request):
    """A tiny untrained Model of each folder."""
    return tiny_model(request.param)


def test_a_recording_goes_through(tiny, raw):
    embeddings = tiny.embed(raw)
    assert embeddings.axes == tiny.spec.axes
    assert embeddings.data.dtype == np.float32
    assert len(embeddings.onsets) == len(embeddings.data)
    assert np.isfinite(embeddings.data).all()
    assert embeddings.provenance.untrained
    for axis, names in embeddings.labels.items():
        assert len(names) == embeddings.data.shape[embeddings.axes.index(axis)]
    pooled = embeddings.pool()
    assert pooled.axes == ("window", "feature")
    assert pooled.to_table().num_rows == len(embeddings)


def test_results_do_not_depend_on_the_batch(tiny, raw):
    one, all_at_once = tiny.embed(raw, batch_size=1), tiny.embed(raw, batch_size=8)
    scale = np.abs(one.data).max()
    assert len(one) > 1
    np.testing.assert_allclose(one.data, all_at_once.data, atol=2e-6 * scale)


def sources(raw):
    """Recordings of three lengths, in three spellings; the second lacks a channel."""
    volts, names = raw.get_data(), raw.ch_names
    shorter = raw.copy().crop(0, 12.5)
    return [raw, shorter.copy().drop_channels([names[0]]), (volts[:, : 11 * 250], names, 250.0), shorter]


def test_many_recordings_give_what_each_gives_alone(tiny, raw):
    """Unequal lengths and channels in one call: data, axes, names and record are those of single calls."""
    how = Preparation(missing="skip")
    many = tiny.embed_many(sources(raw), how)
    assert len(many) == 4
    for source, one in zip(sources(raw), many, strict=True):
        alone = tiny.embed(source, how)
        assert one.data.shape == alone.data.shape
        np.testing.assert_allclose(one.data, alone.data, atol=1e-6 * np.abs(alone.data).max())
        assert np.array_equal(one.onsets, alone.onsets)
        for name in ("axes", "seconds", "ch_names", "flags", "labels", "poolings", "provenance"):
            assert getattr(one, name) == getattr(alone, name), name


def test_equal_windows_of_several_recordings_share_batches(tiny, raw, monkeypatch):
    """Three recordings of the same channels run at once, the fourth by itself."""
    calls = []
    embed = Model.embed

    def counted(self, windows, *args, **options):
        calls.append(len(windows))
        return embed(self, windows, *args, **options)

    monkeypatch.setattr(Model, "embed", counted)
    told = []
    many = tiny.embed_many(sources(raw), Preparation(missing="skip"), progress=lambda *n: told.append(n))
    lengths = [len(one) for one in many]
    assert sorted(calls) == sorted([lengths[0] + lengths[2] + lengths[3], lengths[1]])
    assert told[-1] == (sum(lengths), sum(lengths))


def test_a_recording_that_cannot_be_used_is_named(tiny, raw, tmp_path):
    nowhere = tmp_path / "nowhere.edf"
    given = [sources(raw)[0], nowhere, sources(raw)[2]]
    with pytest.raises(RecordingError, match=r"sources\[1\].*nowhere\.edf") as caught:
        tiny.embed_many(given)
    assert caught.value.code == "not_found"
    refused = {}
    assert len(tiny.embed_many(given, on_error=refused.__setitem__)) == 2
    assert list(refused) == [1]
    windows = tiny.prepare(raw)
    short = replace(windows, data=windows.data[..., :10], n_valid=np.full(len(windows), 10))
    assert len(tiny.embed_many([short, windows, short], on_error=refused.__setitem__)) == 1
    assert [str(refused[i]).split(":")[0] for i in (0, 2)] == ["sources[0]", "sources[2]"]


def test_a_list_is_no_recording(tiny, raw):
    with pytest.raises(UsageError, match="embed_many"):
        tiny.embed([raw, raw])


def test_the_input_stays_as_it_is(tiny, raw):
    before, names, info = raw.get_data().copy(), list(raw.ch_names), repr(raw.info)
    tiny.embed(raw)
    assert np.array_equal(raw.get_data(), before)
    assert (list(raw.ch_names), repr(raw.info)) == (names, info)


def test_a_call_sets_what_a_call_can_change(tiny, raw):
    """Every setting of the spec is a field with a default; a field that makes the network is refused, not ignored."""
    assert set(tiny.spec.settings) <= set(tiny.config)
    windows = tiny.prepare(raw)
    for name in set(tiny.config) - set(tiny.spec.settings):
        with pytest.raises(UsageError) as caught:
            tiny.embed(windows, Preparation(settings={name: tiny.config[name]}))
        assert caught.value.code == "unknown_setting"


def test_settings_of_a_pooling_change_nothing_but_the_work(tiny, raw):
    """Where a pooling names settings that spare work, its vectors are those of the whole result."""
    windows = tiny.prepare(raw)
    for name, pooling in tiny.spec.poolings.items():
        spared = tiny.embed(windows, Preparation().narrowed(pooling)).pool(name).data
        whole = tiny.embed(windows).pool(name).data
        np.testing.assert_allclose(spared, whole, atol=2e-6 * np.abs(whole).max())


@pytest.mark.parametrize("model", MODELS)
def test_spec_and_code_name_the_same_vocabulary(model):
    """A check knows no checkpoint and asks the spec: for what a published variant is trained to do, the code says the same."""
    spec, own = registry.specs()[model], registry.code(model).vocabulary
    for variant in spec.variants:
        for task in variant.trained if own else ():
            assert own(variant.config, task) == spec.vocabulary.get(task), (variant.name, task)


def test_tasks_a_checkpoint_cannot_do_are_refused(tiny, raw):
    for task in ("reconstruct", "classify", "attention"):
        if task not in tiny.tasks:
            with pytest.raises((UsageError, CheckpointError)) as caught:
                getattr(tiny, task)(raw)
            assert caught.value.hint


def test_results_are_saved_and_read_back(tiny, raw, tmp_path):
    embeddings = tiny.embed(raw)
    for suffix in (".safetensors", ".npz"):
        path = embeddings.save(tmp_path / f"e{suffix}")
        again = eegora.Embeddings.load(path)
        assert np.array_equal(again.data, embeddings.data)
        assert again.provenance == embeddings.provenance


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_half_loaded(model, tmp_path):
    """A missing, a surplus, a misshapen and a broken tensor are each refused."""
    from eegora.checkpoints.synthetic import synthetic_state_dict

    code, config = registry.code(model), smallest(model)
    layout = {k: v for k, v in code.layout(config).items() if v[1] != assembly.CONSTANT}
    whole = synthetic_state_dict(layout, 0)
    key = max(whole, key=lambda k: whole[k].ndim == 2 and whole[k].size)
    broken = {
        "missing": {k: v for k, v in whole.items() if k != key},
        "surplus": whole | {"surplus.weight": np.zeros(3, np.float32)},
        "misshapen": whole | {key: whole[key][:-1]},
        "broken": whole | {key: np.full_like(whole[key], np.nan)},
    }
    path = tmp_path / "checkpoint.safetensors"
    save_file(whole, path)
    assert assembly.load_network(code, path, config=config).coverage.used
    for what, tensors in broken.items():
        save_file(tensors, path)
        with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors") as caught:
            assembly.load_network(code, path, config=config)
        assert caught.value.code in ("does_not_fit", "not_this_model"), what


def test_float64_is_float64(raw):
    for model in MODELS:
        code = registry.code(model)
        loaded = assembly.untrained_network(code, smallest(model), dtype="float64")
        assert {p.dtype for p in loaded.network.parameters()} == {torch.float64}


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(UsageError) as caught:
        registry.find("no-such-model")
    assert all(name in str(caught.value) for name in registry.names())


def test_names_ignore_case_and_dashes():
    for spec in registry.specs().values():
        for variant in spec.variants:
            typed = registry.full_name(spec, variant)
            for way in (typed.upper(), typed.replace("-", "_"), typed.replace("-", "")):
                assert registry.find(way)[1:] == (spec, variant)


@pytest.mark.parametrize("model", MODELS)
def test_windows_of_two_channel_sets_give_two_answers(model, raw):
    """Leaving out a channel is felt: no channel is silently ignored."""
    ready = tiny_model(model)
    windows = ready.prepare(raw)
    fewer = windows.keep_channels(range(len(windows.ch_names) - 1), "left out by the test")
    assert not np.allclose(ready.embed(windows).pool().data, ready.embed(fewer).pool().data)
    assert fewer.plan.counts()["dropped"] == windows.plan.counts().get("dropped", 0) + 1
