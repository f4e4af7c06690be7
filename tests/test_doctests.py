"""The examples in docstrings that need no checkpoint are true."""

import doctest
import importlib
import pkgutil

import pytest

import eegora

MODULES = [m.name for m in pkgutil.walk_packages(eegora.__path__, "eegora.") if not m.name.endswith("__main__")]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.failed == 0


def test_there_are_examples_to_run():
    tests = [t for name in MODULES for t in doctest.DocTestFinder().find(importlib.import_module(name)) if t.examples]
    assert len(tests) >= 8
