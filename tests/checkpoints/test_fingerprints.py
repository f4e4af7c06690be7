from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from eegora.checkpoints import fingerprints
from eegora.checkpoints.fingerprints import fingerprint_of, known_fingerprint, record_fingerprint, user_store
from eegora.errors import CheckpointError

STAGE = torch.randn(40, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
SHA256, CONFIG = "ab" * 32, {"width": 3, "sizes": [1, 2]}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "user_store", lambda: tmp_path / "data" / "fingerprints.json")


def of(stage: torch.Tensor, probe: str = "p", name: str = "s") -> str:
    return fingerprint_of(probe, {name: stage})


def test_form_and_repetition() -> None:
    assert of(STAGE) == of(STAGE.clone())
    probe, stages = of(STAGE).split("-")
    assert (len(probe), len(stages)) == (4, 12)
    int(probe + stages, 16)


@pytest.mark.parametrize("noise", [1e-14, 1e-12])
def test_rounding_of_another_machine_does_not_count(noise: float) -> None:
    other = STAGE * (1 + noise * torch.randn(STAGE.shape, dtype=torch.float64))
    assert not torch.equal(other, STAGE)
    assert of(other) == of(STAGE)


def test_any_exchange_counts() -> None:
    exchanged = STAGE.clone()
    exchanged[[7, 8], 3] = STAGE[[8, 7], 3]  # two entries of two thousand
    square = STAGE[:, :40]
    changed = (exchanged, STAGE.flip(0), STAGE.roll(1, 1), STAGE * 1.00001, -STAGE, STAGE.reshape(50, 40))
    assert len({of(stage) for stage in (STAGE, *changed)}) == 7
    assert of(square) != of(square.T.contiguous())
    assert of(STAGE, name="t") != of(STAGE)


def test_the_two_halves_are_the_input_and_the_stages() -> None:
    assert of(STAGE, "p").split("-")[1] == of(STAGE, "q").split("-")[1]
    assert of(STAGE, "p").split("-")[0] != of(STAGE, "q").split("-")[0]


def test_odd_stages() -> None:
    for stage in (torch.zeros(3), torch.tensor([float("nan")]), torch.tensor([]), torch.tensor([1, 2, 3])):
        assert of(stage) == of(stage)


def test_recorded_for_a_file_and_a_configuration() -> None:
    assert known_fingerprint(SHA256, CONFIG) is None
    path = record_fingerprint(SHA256, CONFIG, "aaaa-bbbb")
    record_fingerprint("cd" * 32, CONFIG, "cccc-dddd")
    assert known_fingerprint(SHA256, dict(reversed(CONFIG.items()))) == ("aaaa-bbbb", "user")
    assert known_fingerprint(SHA256, CONFIG | {"width": 4}) is None
    assert [p.name for p in path.parent.iterdir()] == ["fingerprints.json"]
    record_fingerprint(SHA256, CONFIG, "eeee-ffff")
    assert known_fingerprint(SHA256, CONFIG) == ("eeee-ffff", "user")


def test_damaged_record_is_said() -> None:
    path = record_fingerprint(SHA256, CONFIG, "aaaa-bbbb")
    for text in ("{", "[1]", '{"x": 3}'):
        path.write_text(text)
        with pytest.raises(CheckpointError) as error:
            known_fingerprint(SHA256, CONFIG)
        assert error.value.code == "bad_record"


def test_packaged_record_is_well_formed() -> None:
    packaged = json.loads((Path(fingerprints.__file__).parent / fingerprints.STORE).read_text())
    for sha256, entries in packaged.items():
        assert len(sha256) == 64
        assert all(len(digest) == 12 and len(value) == 17 for digest, value in entries.items())


def test_user_store_is_in_the_users_data_folder() -> None:
    assert user_store().name == "fingerprints.json"
    assert user_store().parent.name == "eegora"
