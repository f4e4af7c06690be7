"""The table of sections: functions that there are, and options that there are."""

from importlib import import_module

import pytest

from eegora.benchmark.sections import SECTIONS
from eegora.cli import bench


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_names_a_function_and_options_that_there_are(name):
    section = SECTIONS[name]
    module, function = section.rows.split(".")
    assert callable(getattr(import_module(f"eegora.benchmark.{module}"), function))
    assert set(section.options.split()) <= {*bench.ALL, "models"}
    assert all(section.takes(option) for option in section.defaults)
    assert section.takes("out")
    assert not section.takes("nothing")
