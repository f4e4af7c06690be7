"""Law 6: importing is cheap, and what may run without MNE does. Judged by what is loaded, not by a clock."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "mne", "scipy.signal", "sklearn", "matplotlib", "pyarrow", "huggingface_hub", "pandas")


def loaded(code):
    """Names of heavy packages in a fresh interpreter after some code."""
    code += f"\nimport sys, json; print('\\n' + json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_import_eegora_loads_nothing():
    assert loaded("import eegora") == []


@pytest.mark.parametrize("arguments", [["--help"], ["models"], ["embed", "--help"], ["recipe", "list"]], ids=" ".join)
def test_help_and_tables_load_nothing_heavy(arguments):
    code = f"""
import sys
sys.argv = ["eegora", *{arguments!r}]
from eegora.cli.main import run
try:
    run()
except SystemExit as end:
    assert not end.code, end.code
"""
    assert loaded(code) == []


@pytest.mark.parametrize("room", ["checkpoints", "compute", "parity", "models", "assembly"])
def test_what_runs_without_mne(room):
    code = f"""
import sys, pkgutil, importlib
sys.modules["mne"] = None  # any import of it now fails
package = importlib.import_module("eegora.{room}")
for module in pkgutil.walk_packages(getattr(package, "__path__", []), package.__name__ + "."):
    importlib.import_module(module.name)
assert sys.modules.pop("mne") is None
"""
    assert "mne" not in loaded(code)
