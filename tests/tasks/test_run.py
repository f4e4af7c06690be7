"""Windows through a function: lengths kept apart where a model wants it, and results back in the windows' order."""

from dataclasses import replace

import numpy as np
import pytest

from eegora import assembly, registry
from eegora.compute.device import choose_device
from eegora.compute.rate import seconds_for
from eegora.preparation import Outlook, Pace
from eegora.tasks.run import inputs_of, outlook, run_windows

FOLDER, SPEC = next((f, spec) for f, spec in registry.specs().items() if registry.code(f).own_length)
CODE = registry.code(FOLDER)
CONFIG = CODE.detect({key: shape for key, (shape, _) in CODE.layout(SPEC.variants[0].config).items()})


@pytest.fixture
def windows():
    source = assembly.probe_windows(SPEC).take([0, 0, 0])
    lengths = np.array([1280, 640, 1280])
    return replace(source, data=source.data * np.float32([1, 2, 3])[:, None, None], n_valid=lengths, index=np.arange(3))


def test_windows_of_one_length_share_a_batch_and_come_back_in_order(windows):
    seen, told = [], []

    def run(inputs):
        seen.append((len(inputs["x"]), inputs["time"].shape[1], inputs["given"][:, 0].tolist()))
        return inputs["x"][:, 0, :5]

    given = {"given": np.array([[10.0], [20.0], [30.0]])}
    pace = Pace(8, lambda done, total: told.append((done, total)))
    found = run_windows(CODE, "embed", run, windows, CONFIG, choose_device("cpu"), pace, given)
    assert seen == [(2, 40, [10, 30]), (1, 20, [20])]
    assert told == [(2, 3), (3, 3)]
    np.testing.assert_array_equal(found, np.clip(windows.data, -1, 1)[:, 0, :5])


def test_only_samplers_get_noise(windows):
    names = {}
    for task in ("embed", "reconstruct"):

        def run(inputs, task=task):
            names[task] = set(inputs)
            return inputs["x"]

        run_windows(CODE, task, run, windows, CONFIG, choose_device("cpu"), Pace())
    assert names["reconstruct"] - names["embed"] == {"noise", "steps"}


def test_inputs_are_kept_where_all_windows_have_them_alike(windows):
    kept = inputs_of(CODE, windows, CONFIG)
    assert "x" in kept
    assert "time" not in kept
    np.testing.assert_array_equal(kept["x"], np.clip(windows.data, -1, 1))
    assert {len(value) for value in kept.values()} == {3}


def test_windows_that_keep_a_processor_busy_run_one_by_one(windows):
    sizes = {}
    for config in (CONFIG, CONFIG | {"n_layers": 1, "dim": 8, "inner_dim": 8, "kv_dim": 8, "hidden_dim": 8}):
        seen = sizes.setdefault(config["dim"], [])

        def run(inputs, seen=seen):
            seen.append(len(inputs["x"]))
            return inputs["x"]

        run_windows(CODE, "embed", run, windows, config, choose_device("cpu"), Pace())
    assert sizes == {CONFIG["dim"]: [1, 1, 1], 8: [2, 1]}


def test_an_outlook_counts_draws_and_says_a_duration_as_people_do(windows):
    cpu = choose_device("cpu")
    one, four = (outlook(CODE, "embed", windows, CONFIG, cpu, n) for n in (1, 4))
    assert four.seconds == pytest.approx(4 * one.seconds)
    work = CODE.work("embed", windows, CONFIG)
    assert one.seconds == pytest.approx(seconds_for(work, cpu))
    assert outlook(replace(CODE, work=None), "embed", windows, CONFIG, cpu).seconds is None
    assert (
        str(Outlook(3, 9, 8, 200.0))
        == "3 of 12 windows (9 have nothing to fill), 8 times each: about 3 min on this machine"
    )
    assert str(Outlook(2, seconds=0.1)) == "2 of 2 windows: a moment on this machine"
    assert "about 2 h" in str(Outlook(2, seconds=7000))
    assert str(Outlook(2)) == "2 of 2 windows"
