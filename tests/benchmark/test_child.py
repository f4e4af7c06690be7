"""A process of one's own: its answer, its failure in one line, and what a process holds."""

import mmap
import os

import pytest

from eegora.benchmark import child
from eegora.benchmark.child import in_child
from eegora.errors import UsageError


def test_the_answer_comes_from_another_process():
    assert in_child("os", "getpid") != os.getpid()
    assert in_child("builtins", "dict", [["a", [1, None]]]) == {"a": [1, None]}


def test_a_failure_is_one_line_with_what_the_process_said():
    with pytest.raises(UsageError, match="measures x said: ValueError: ") as caught:
        in_child("builtins", "int", "x")
    assert caught.value.code == "not_measured"


def test_the_peak_outlives_what_made_it():
    block = mmap.mmap(-1, 50_000_000)
    block.write(b"1" * len(block))
    held = child.held()
    block.close()
    assert held > 50_000_000
    assert child.held() < held - 30_000_000
    assert child.peak() > held - 5_000_000  # the system counts in steps


def test_an_account_is_in_bytes():
    assert child.account("status", "VmRSS") > 1_000_000
    assert child.account("none", "VmRSS") == child.account("status", "none") == 0
