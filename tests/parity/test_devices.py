"""Devices and number formats are held against the first one, on a recording of the user's."""

import json

import pytest

from eegora import load_model, registry
from eegora.cli.main import main
from eegora.errors import DeviceError, UsageError
from eegora.parity import devices
from eegora.parity.devices import compare_devices
from eegora.recordings.synthetic import synthetic_raw
from eegora.recordings.write import save_raw


@pytest.fixture(scope="module")
def name():
    """The smallest variant there is."""
    every = ((v.parameters, registry.full_name(s, v)) for s in registry.specs().values() for v in s.variants)
    return min(every)[1]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return save_raw(synthetic_raw(20, 0), tmp_path_factory.mktemp("recording") / "x_raw.fif")


def test_number_formats_on_the_cpu(name, recording):
    def load(device, dtype):
        return load_model(name, untrained=0, device=device, dtype=dtype)

    first, exact, rough = compare_devices(load, recording, ["cpu"], ["float32", "float64", "bfloat16"])
    assert (first["max_abs"], first["rmse"], first["agrees"]) == (0, 0, True)
    assert 0 < exact["max_abs"] < 1e-4 * exact["scale"]
    assert exact["max_abs"] < rough["max_abs"]
    assert exact["r"] > 0.999999
    assert (exact["agrees"], rough["agrees"]) == (None, None)
    assert all(row["seconds"] > 0 and row["windows"] == 2 for row in (first, exact, rough))


def test_a_device_that_disagrees_is_found(name, recording, monkeypatch):
    """A stand-in for a GPU that answers otherwise."""
    monkeypatch.setattr(devices, "choose_device", lambda device, dtype: None)
    made = {"cpu": 0, "cuda": 1}
    rows = compare_devices(lambda device, dtype: load_model(name, untrained=made[device]), recording, ["cpu", "cuda"])
    assert [row["agrees"] for row in rows] == [True, False]
    assert rows[1]["max_abs"] > 1e-3


def test_a_device_that_is_not_there_is_one_line_before_the_recording_is_read(name, tmp_path, capsys):
    with pytest.raises(DeviceError):
        compare_devices(lambda *_: None, tmp_path / "none.fif", ["cpu", "cuda:99"])
    assert main(["parity", name, "--devices", "cpu,cuda:99", "--untrained", str(tmp_path / "none.fif")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--dtypes float32,float64" in said


def test_one_place_is_nothing_to_compare(name, recording):
    with pytest.raises(UsageError) as caught:
        compare_devices(lambda *_: None, recording, ["cpu"])
    assert caught.value.code == "bad_options"


def test_the_command(name, recording, capsys):
    arguments = ["parity", name, str(recording), "--dtypes", "float32,float64", "--untrained"]
    assert main(arguments) == 0
    assert "float64" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    assert [row["dtype"] for row in json.loads(capsys.readouterr().out)] == ["float32", "float64"]


@pytest.mark.parametrize("more", [[], ["x.fif", "--vectors", "y.safetensors"]])
def test_vectors_or_a_recording(name, more, capsys):
    assert main(["parity", name, *more]) == 2
    assert "one of the two" in capsys.readouterr().err


def test_numbers_stay_in_one_line_where_nobody_watches(name, recording, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["parity", name, "--dtypes", "float32,bfloat16", "--untrained", str(recording)]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if "float" in line]
    assert len(rows) == 3  # with the head
    assert "1.000000000" in rows[1]
