"""A network is the same in any shape, counted before it is changed, and its inputs are those of the model's own code."""

import pytest
import torch

from eegora import registry
from eegora.benchmark.subject import Subject, What, distance, takes, windows_of
from eegora.compute.device import Device
from eegora.errors import UsageError

CPU = Device("cpu", "float32", "test")


@pytest.fixture(scope="module")
def subject(name):
    return Subject(What(name), CPU)


def test_work_grows_with_the_batch(subject):
    assert subject.gflop(subject.inputs(4)) == pytest.approx(4 * subject.gflop(subject.inputs(1)))


@pytest.mark.parametrize(("full", "n_times", "expected"), [("eeg-dino-small", 2000, 2.04), ("luna-base", 1280, 0.48)])
def test_work_is_the_specifications_with_attention(full, n_times, expected):
    subject = Subject(What(full, n_channels=19 if n_times == 2000 else 22, n_times=n_times), CPU)
    assert subject.gflop(subject.inputs(1)) == pytest.approx(expected, rel=0.06)


def test_acceleration_keeps_the_answer(name, subject):
    fast = Subject(What(name), CPU)
    fast.accelerate()
    inputs = subject.inputs(2)
    far, scale = distance(fast.run(inputs), subject.run(inputs))
    assert far <= 1e-5 * max(scale, 1)


def test_windows_of_a_batch_do_not_overlap(subject):
    packed = subject.packed(3)
    assert len(packed["x"]) == 3
    assert not torch.equal(packed["x"][0], packed["x"][1])


@pytest.mark.parametrize("spec", registry.specs().values(), ids=lambda spec: spec.name)
def test_the_default_window_is_the_models_own(spec):
    windows = windows_of(spec)
    assert len(windows) == 1
    assert len(windows.ch_names) == windows.data.shape[1] == len(windows.ch_pos)


def test_more_channels_are_electrodes_with_positions():
    spec = next(s for s in registry.specs().values() if not s.vocabulary.get("embed"))
    windows = windows_of(spec, 64, 256)
    assert windows.data.shape == (1, 64, 256)
    assert len(set(windows.ch_names)) == 64


def test_a_shape_that_a_model_does_not_take_is_told(name):
    assert takes(What(name)) is None
    assert takes(What(name, n_times=1))


def test_a_task_that_there_is_not(name):
    with pytest.raises(UsageError) as caught:
        Subject(What(name, task="upsample" if "upsample" not in registry.find(name)[1].tasks else "decode"), CPU)
    assert caught.value.code == "no_such_task"
