"""Memory is kept between runs, but for those who set its rules themselves, and where there is no such library nothing happens."""

import ctypes
import os
import subprocess
import sys

import pytest

from eegora.compute import memory

# Pages asked of the system by one of many equal runs, each of which asks for 40 MB in several pieces and gives them back.
CHILD = """
import resource, sys
import numpy as np
from eegora.compute.memory import keep

def run():
    return sum(float(part[0]) for part in [np.ones(10 << 17, np.float64) for _ in range(4)])

kept = sys.argv[1] == "keep" and keep()
for _ in range(3):
    run()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    run()
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, word], capture_output=True, text=True, check=True, env=environment
    )
    return tuple(int(number) for number in done.stdout.split())


def test_no_page_is_asked_for_twice():
    kept, again = faults("keep")
    assert not kept or again < 100


def test_without_it_they_are():
    """So that the test above means something where it says anything."""
    assert faults("leave")[1] >= 100 or not sys.platform.startswith("linux")


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX"])
def test_who_sets_the_rules_is_left_alone(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    monkeypatch.setattr(ctypes, "CDLL", lambda path: pytest.fail("the library was asked"))
    assert not memory.keep()


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda path: pytest.fail("the library was asked"))
    assert not memory.keep()


def test_another_c_library_is_no_reason_to_fail(monkeypatch):
    for name in [name for name in os.environ if name.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda path: object())
    assert not memory.keep()


def test_a_system_that_hides_where_the_heap_lies_is_no_reason_to_fail(monkeypatch):
    def hidden(path):
        raise PermissionError

    monkeypatch.setattr("builtins.open", hidden)
    assert memory._heap() == []
