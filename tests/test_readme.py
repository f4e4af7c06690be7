"""The README does what it says: every block but the install and make ones is run, in a folder with the files that it names."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from eegora import registry
from eegora.checkpoints.synthetic import read_manifest, synthetic_state_dict
from eegora.recordings.synthetic import synthetic_raw
from eegora.recordings.write import save_raw

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = [
    (match["kind"], match["text"])
    for match in re.finditer(
        r"(?P<mark><!-- (install|make|test) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", README, re.S
    )
    if not match["mark"]
]


# What would take minutes and 1.5 GB is run with a tiny checkpoint of the same layout.
IN_PLACE = {"--model zuna-1.1": "--model zuna --checkpoint tiny.safetensors --config tiny.json"}


def checkpoint(folder, repo, variant, **config):
    """A synthetic checkpoint in the published layout, where the README's commands look for a published one."""
    code, spec = registry.code("luna"), registry.specs()["luna"]
    layout = code.layout({**spec.variant(variant).config, **config})
    tensors = synthetic_state_dict({k: v for k, v in layout.items() if v[1] != "constant"})
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / repo)
    return folder / repo


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with the files that the README names, and a bundle in place of the hub."""
    from eegora.checkpoints.bundle import add_to_bundle
    from eegora.checkpoints.read import sha256_of

    folder = tmp_path_factory.mktemp("readme")
    raw = synthetic_raw(12, 0)
    save_raw(raw, folder / "synthetic_raw.fif")
    (folder / "synthetic_raw.fif").rename(folder / "recording.fif")
    raw.export(folder / "recording.edf", verbose="ERROR")
    shutil.copy(ROOT / "evidence" / "benchmark" / "nvidia-h200.json", folder / "theirs.json")
    manifest = read_manifest(ROOT / "tests" / "models" / "zuna" / "vectors" / "zuna-tiny.json")
    save_file(synthetic_state_dict(manifest), folder / "tiny.safetensors")
    (folder / "tiny.json").write_text(json.dumps(manifest.config))
    checkpoint(folder, "my-finetuned.safetensors", "base", num_classes=2)
    for file in ("luna-tiny-cls.safetensors", "luna-tiny-cls.json"):
        shutil.copy(Path(__file__).parent / "models" / "luna" / "vectors" / file, folder)
    bundle = tmp_path_factory.mktemp("bundle")
    for variant in ("base", "large"):
        published = registry.specs()["luna"].variant(variant).published
        file = checkpoint(tmp_path_factory.mktemp("made"), published.files[0], variant)
        entry = {"repo": published.repos[0], "licence": published.licence, "sha256": sha256_of(file)}
        add_to_bundle(bundle, file, published.files[0], entry)
    environment = os.environ | {
        "EEGORA_BUNDLE": str(bundle),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return folder, environment


def test_the_readme_has_blocks_to_run():
    assert sum(kind == "bash" for kind, _ in BLOCKS) >= 3
    assert any(kind == "python" for kind, _ in BLOCKS)


@pytest.mark.parametrize("block", BLOCKS, ids=[f"{i}-{kind}" for i, (kind, _) in enumerate(BLOCKS)])
def test_a_block_runs(block, desk):
    kind, text = block
    folder, environment = desk
    for large, tiny in IN_PLACE.items():
        text = text.replace(large, tiny)
    command = ["bash", "-e", "-c", text] if kind == "bash" else [sys.executable, "-c", text]
    assert kind in ("bash", "python"), f"a block of {kind} that nobody runs"
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    written = set(re.findall(r"-o (\S+)", text))
    assert all((folder / name).exists() for name in written)


def test_the_guide_leads_from_a_folder_to_scikit_learn(desk, tmp_path):
    """The command over a folder and the lines that read its files, as they stand; one recording is broken."""
    _, environment = desk
    walk, lines = (
        re.search(rf"```{kind}\n({start}.*?)```", (ROOT / "docs" / "guide.md").read_text(), re.S)[1]
        for kind, start in (("bash", "eegora embed recordings/"), ("python", "from pathlib"))
    )
    (tmp_path / "recordings").mkdir()
    for i in (0, 1, 4):
        synthetic_raw(75, i).export(tmp_path / "recordings" / f"sub-{i:02d}.edf", verbose="ERROR")
    (tmp_path / "recordings" / "sub-03.edf").write_bytes(b"0       ")
    options = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "check": False}
    walked = subprocess.run(["bash", "-c", walk], **options)
    assert walked.returncode == 2
    assert walked.stderr.count("[bad_header]") == 1, walked.stderr
    stems = sorted(path.stem for path in (tmp_path / "vectors").iterdir())
    assert stems == [f"sub-{i:02d}_luna-base" for i in (0, 1, 4)]
    probed = subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", lines], **options)
    assert probed.returncode == 0, probed.stderr
    scores = [float(score) for score in probed.stdout.strip("[ ]\n").split()]
    assert len(scores) == 3, "one score per person"
    assert all(0 <= score <= 1 for score in scores)


def test_the_test_command_is_the_one_that_ci_runs():
    assert re.search(r"<!-- test -->\n```bash\nmake test\n```", README)
    assert "README.md" in (ROOT / ".ci" / "run").read_text()


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_no_figure_in_prose():
    """Numbers with a unit of speed or error belong to generated tables."""
    prose = re.sub(r"<!-- generated.*?<!-- end -->|```.*?```", "", README, flags=re.S)
    assert not re.findall(r"\d+(?:\.\d+)?\s?(?:×|ms\b|times faster)", prose)


def test_evidence_holds_no_machine_path():
    for path in (ROOT / "evidence").rglob("*.json"):
        assert "/home/" not in path.read_text()
        json.loads(path.read_text())
