"""What `eegora check` answers is what the command then does: over good, odd and broken recordings, every task and model."""

import json
from pathlib import Path

import mne
import numpy as np
import pytest
from safetensors.numpy import save_file

from eegora import assembly, registry
from eegora.checkpoints.synthetic import synthetic_state_dict
from eegora.cli.main import main
from eegora.recordings.synthetic import synthetic_raw
from eegora.recordings.write import save_raw
from tests.models.conftest import MODELS
from tests.models.test_every_model import smallest

CASES = Path(__file__).parent / "data" / "recordings" / "cases"
CODES = {"can run": 0, "can run with remarks": 0, "cannot run": 3, "cannot be understood": 2}
CASE_FILES = """
    ok4.edf tuh_ref.edf dup_labels.edf tcp_bipolar.edf psg_bipolar.edf digital_range_zero.edf units_blank.edf
    trunc_header.edf trunc_raw.fif gap_raw.fif epochs-epo.fif nan_inf.csv gap.csv nonmonotonic.csv
""".split()
ENDINGS = {"embed": "parquet", "attention": "npz", "reconstruct": "npz", "repair": "fif", "upsample": "fif"}
TASKS = [(task, model) for task in ENDINGS for model in MODELS if task in registry.specs()[model].tasks]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Files of every kind: the cases, a small cap with a bad channel, epochs that windows fit into, and one gone dead."""
    folder = tmp_path_factory.mktemp("recordings")
    names = "Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8".split()
    cap = synthetic_raw(15, 0, ch_names=names, sfreq=200)
    cap.info["bads"] = ["O2"]
    cap.set_annotations(mne.Annotations([8.0], [1.0], ["BAD_move"]))
    save_raw(cap, folder / "cap_raw.fif")
    whole = synthetic_raw(44, 1)
    save_raw(whole, folder / "whole_raw.fif")
    epochs = mne.EpochsArray(whole.get_data().reshape(21, 4, -1).swapaxes(0, 1), whole.info, verbose="error")
    epochs.save(folder / "long-epo.fif", verbose="error")
    dead = mne.io.RawArray(np.zeros_like(cap.get_data()), cap.info, verbose="error")
    dead.info["bads"] = []
    save_raw(dead, folder / "dead_raw.fif")
    lost = cap.copy()
    lost._data[3, 500:900] = np.nan
    save_raw(lost, folder / "lost_raw.fif")
    return [*sorted(folder.glob("*.fif")), *(CASES / name for name in CASE_FILES)]


@pytest.mark.parametrize(("task", "model"), TASKS, ids=["-".join(pair) for pair in TASKS])
def test_the_verdict_is_what_the_command_does(recordings, tmp_path, capfd, task, model):
    spec, config = registry.specs()[model], smallest(model)
    if task == "reconstruct":  # not with a head for classes
        config.pop("num_classes", None)
    layout = {k: v for k, v in registry.code(model).layout(config).items() if v[1] != assembly.CONSTANT}
    save_file(synthetic_state_dict(layout, 0), tmp_path / "tiny.safetensors")
    (tmp_path / "tiny.json").write_text(json.dumps(config))
    assert main(["check", *map(str, recordings), "--model", spec.name, "--task", task, "--json"]) == 2
    verdicts = {record["recording"]: record for record in json.loads(capfd.readouterr().out)}
    own = [
        "--model",
        spec.name,
        "--checkpoint",
        str(tmp_path / "tiny.safetensors"),
        "--config",
        str(tmp_path / "tiny.json"),
    ]
    own += ["--montage", "10-20"] * (task == "upsample") + ["--set", "steps=1"] * ("steps" in spec.settings)
    found, wanted, told = {}, {}, {}
    for path in recordings:
        verdict = verdicts[path.name]
        wanted[path.name] = CODES[verdict["answer"]]
        found[path.name] = main([task, str(path), *own, "-o", str(tmp_path / f"{path.stem}.{ENDINGS[task]}")])
        told[path.name] = capfd.readouterr().err
        if found[path.name] and wanted[path.name]:  # and for the same reason
            errors = [f"[{f['code']}]" for f in verdict.get("findings", ()) if f["severity"] == "error"]
            assert any(reason in told[path.name] for reason in errors or [verdict["error"]]), path.name
    assert found == wanted, told
    assert set(wanted.values()) == {0, 2, 3}
