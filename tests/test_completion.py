"""Shell completion: bash finishes commands, options and models, and nothing heavy is imported for it."""

import os
import subprocess
import sys

from tests.test_import_cost import HEAVY, loaded

SCRIPT = """
eegora() { "$PYTHON" -m eegora "$@"; }
export -f eegora
_EEGORA_COMPLETE=source_bash eegora > "$DIR/completion.sh"
# The script calls its command through env, which knows no functions: a file with its name stands in.
printf '#!/bin/bash\\nexec "%s" -m eegora "$@"\\n' "$PYTHON" > "$DIR/eegora"
chmod +x "$DIR/eegora"
unset -f eegora
PATH="$DIR:$PATH"
source "$DIR/completion.sh"
complete -p eegora
for line in "eegora doc" "eegora embed --save-" "eegora embed rec.edf --model luna-h"; do
    read -ra COMP_WORDS <<< "$line"
    COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
    _eegora_completion eegora
    echo "${COMPREPLY[@]}"
done
"""


def test_bash_finishes_commands_options_and_models(tmp_path):
    environment = {**os.environ, "PYTHON": sys.executable, "DIR": str(tmp_path)}
    done = subprocess.run(["bash", "-c", SCRIPT], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.splitlines() == [
        "complete -o default -F _eegora_completion eegora",
        "doctor",
        "--save-inputs",
        "luna-huge",
    ]


def test_completion_is_installed_where_bash_looks(tmp_path):
    """The option writes into the home folder, and nowhere else."""
    code = """
import os, sys, shellingham
shellingham.detect_shell = lambda *a, **k: ("bash", "bash")
from eegora.cli.main import main
sys.exit(main(["--install-completion"]))
"""
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    (script,) = tmp_path.glob(".bash_completions/*")
    assert "_eegora_completion" in script.read_text()
    assert str(script) in (tmp_path / ".bashrc").read_text()


def test_completing_imports_nothing_heavy():
    code = """
import os, sys
os.environ |= {"_EEGORA_COMPLETE": "complete_bash", "COMP_WORDS": "eegora embed --model lu", "COMP_CWORD": "3"}
from eegora.cli.main import main
try:
    main([])
except SystemExit:
    pass
"""
    assert loaded(code) == []
    assert "torch" in HEAVY
