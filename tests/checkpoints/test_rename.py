from __future__ import annotations

import pytest
import torch

from eegora.checkpoints.rename import Rename, new_names, rename
from eegora.errors import CheckpointError

RULES = (
    Rename(r"model\.(.+)", r"\1", "prefix of a training framework"),
    Rename(r"final_layer\.(.+)", r"head.\1", "another library's name"),
    Rename(r"criterion\..*", None, "the training loss"),
    Rename(r".*\.num_batches", None),
)
WANTED = {"a": (2, 3), "head.w": (4,)}


def tensors(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    file: dict[str, torch.Tensor | None] = {"a": torch.ones(2, 3), "final_layer__w": torch.zeros(4)}
    return {key.replace("__", "."): value for key, value in (file | changes).items() if value is not None}


def problem(file: dict[str, torch.Tensor], wanted: dict[str, tuple[int, ...]] = WANTED) -> str:
    found, coverage = rename(file, RULES, wanted)
    assert found == {}
    with pytest.raises(CheckpointError) as error:
        coverage.raise_for("f.safetensors")
    assert error.value.code == "does_not_fit"
    assert "\n" not in str(error.value)
    return str(error.value)


def test_every_tensor_is_used_renamed_or_dropped() -> None:
    file = {f"model.{key}": value for key, value in tensors().items()}
    file |= {"model.criterion.w": torch.ones(1), "bn.num_batches": torch.tensor(3)}
    found, coverage = rename(file, RULES, WANTED)
    coverage.raise_for("f.ckpt")
    assert list(found) == ["a", "head.w"]
    assert found["a"] is file["model.a"]
    assert coverage.used == ("a", "head.w")
    assert coverage.renamed == {"model.a": "a", "model.final_layer.w": "head.w"}
    assert coverage.dropped == {"model.criterion.w": "the training loss", "bn.num_batches": "not needed"}
    assert str(coverage) == "2 used (2 of them renamed), 2 dropped"


def test_names_that_stay_are_not_called_renamed() -> None:
    assert rename(tensors(), RULES, WANTED)[1].renamed == {"final_layer.w": "head.w"}


def test_rules_match_whole_keys_in_order() -> None:
    names, dropped = new_names(["model.final_layer.w", "my.model.x", "criterion.a", "xcriterion.a"], RULES)
    assert names == {"model.final_layer.w": "head.w", "my.model.x": "my.model.x", "xcriterion.a": "xcriterion.a"}
    assert dropped == {"criterion.a": "the training loss"}


def test_missing_tensor() -> None:
    assert "1 missing (head.w)" in problem(tensors(final_layer__w=None))


def test_optional_tensor_may_be_absent_but_is_checked_when_there() -> None:
    file = {"a": torch.ones(2, 3)}
    found, coverage = rename(file, RULES, WANTED, optional={"head.w"})
    assert list(found) == ["a"]
    assert coverage.problems == ()
    _, coverage = rename(file | {"head.w": torch.ones(5)}, RULES, WANTED, optional={"head.w"})
    assert coverage.wrong_shape == {"head.w": ((5,), (4,))}


def test_unexpected_tensor_under_its_name_in_the_file() -> None:
    line = problem(tensors(model__extra=torch.ones(1)))
    assert "1 unexpected (model.extra)" in line
    assert "f.safetensors" in line


def test_wrong_shape_also_of_a_transposed_matrix() -> None:
    assert "1 of another shape (a is [3, 2] instead of [2, 3])" in problem(tensors(a=torch.ones(3, 2)))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64, torch.uint8])
def test_numbers_that_are_no_parameters(dtype: torch.dtype) -> None:
    assert f"1 not floating-point (a is {str(dtype)[6:]})" in problem(tensors(a=torch.ones(2, 3).to(dtype)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity(value: float, dtype: torch.dtype) -> None:
    a = torch.ones(2, 3, dtype=dtype)
    assert rename(tensors(a=a), RULES, WANTED)[1].problems == ()
    a[1, 2] = value
    assert "1 with NaN or infinity (a)" in problem(tensors(a=a))


def test_two_names_for_one_tensor() -> None:
    assert "1 there twice (a from a and model.a)" in problem(tensors(model__a=torch.ones(2, 3)))


def test_counts_and_the_first_few_names() -> None:
    line = problem({}, {f"w{i}": (1,) for i in range(9)})
    assert "9 missing (w0, w1, w2 and 6 more)" in line
    assert len(line) < 400


def test_nothing_wanted_takes_what_there_is() -> None:
    found, coverage = rename(tensors(empty=torch.ones(0)), RULES, None)
    assert list(found) == ["a", "head.w", "empty"]
    assert coverage.problems == ()


def test_matrices_of_one_value_fit_and_are_named() -> None:
    found, coverage = rename(tensors(a=torch.full((2, 3), 0.5)), RULES, WANTED)
    assert coverage.problems == ()
    assert coverage.flat == ("a",)
    assert list(found) == ["a", "head.w"]
    assert rename(tensors(a=torch.arange(6.0).view(2, 3)), RULES, WANTED)[1].flat == ()
