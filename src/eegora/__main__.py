"""``python -m eegora``."""

from eegora.cli.main import run

run()
