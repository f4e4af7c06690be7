"""Law 11: at most 14 public names, sorted, each documented with an example."""

import inspect

import pytest

import eegora


def test_public_names_are_few_sorted_and_all_there():
    assert eegora.__all__ == sorted(eegora.__all__)
    assert len(eegora.__all__) <= 14
    assert dir(eegora) == eegora.__all__


@pytest.mark.parametrize("name", eegora.__all__)
def test_a_public_name_is_documented_with_an_example(name):
    doc = inspect.getdoc(getattr(eegora, name))
    assert doc
    assert "Examples\n--------\n" in doc


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(AttributeError, match="load_model"):
        eegora.nothing  # noqa: B018


@pytest.mark.parametrize("name", eegora.__all__)
def test_public_methods_are_documented(name):
    found = getattr(eegora, name)
    if inspect.isclass(found):
        for method, value in vars(found).items():
            if not method.startswith("_") and callable(value):
                assert inspect.getdoc(value), f"{name}.{method}"
