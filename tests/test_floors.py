"""Laws 1 and 7: imports point down the floors, nothing imports in a circle, and no file or function outgrows a reader."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src" / "eegora"
FLOORS = (
    ("errors", "whole", "plan", "signal", "stream", "windows", "provenance"),
    ("recordings", "recipes", "checkpoints", "layers", "compute", "results"),
    ("spec", "models"),
    ("registry", "assembly", "preparation", "tasks", "model", "loading", "converting"),
    ("check", "corpus", "parity", "benchmark", "probe", "compare", "report"),
    ("cli", "__main__", "__init__"),
)
FLOOR = {part: level for level, parts in enumerate(FLOORS) for part in parts}
# The only arrows between rooms of one floor: a step knows channels, a result goes back to a recording, a model has a spec.
ALONGSIDE = {
    ("layers", "compute"),
    ("recipes", "recordings"),
    ("results", "recordings"),
    ("models", "spec"),
    ("loading", "registry"),
    ("loading", "assembly"),
    ("loading", "model"),
    ("converting", "registry"),
    ("converting", "assembly"),
    ("model", "registry"),
    ("model", "preparation"),
    ("model", "tasks"),
    ("tasks", "registry"),
    ("tasks", "preparation"),
    ("tasks", "model"),
    ("__main__", "cli"),
    ("errors", "plan"),
    ("signal", "plan"),
    ("windows", "plan"),
    ("windows", "signal"),
    ("stream", "signal"),
    ("provenance", "plan"),
}
FILES = sorted(SRC.rglob("*.py"))


def module_of(path):
    parts = path.relative_to(SRC.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path):
    """Every eegora module that a file imports, also inside functions."""
    known = {module_of(p) for p in FILES}
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in names if name in known} or {node.module}
    return {name for name in found if name.split(".")[0] == "eegora"}


def room(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_down(path):
    here = room(module_of(path))
    for target in imports(path):
        there = room(target)
        if there == here or target == "eegora":
            continue
        allowed = FLOOR[there] < FLOOR[here] or (here, there) in ALONGSIDE
        assert allowed, f"{module_of(path)} imports {target}: floor {FLOOR[here]} to floor {FLOOR[there]}"


def test_every_room_stands_on_a_floor():
    assert {room(module_of(path)) for path in FILES} <= set(FLOOR)


def test_models_do_not_know_each_other():
    for path in FILES:
        parts = module_of(path).split(".")
        if parts[1:2] != ["models"] or len(parts) < 3:
            continue
        for target in imports(path):
            other = target.split(".")
            assert other[1] != "models" or other[2:3] in ([parts[2]], []), f"{module_of(path)} imports {target}"


def test_no_cycles_at_import():
    """Imports at the top of files form no circle."""
    arrows = {}
    for path in FILES:
        tree = ast.parse(path.read_text())
        outside = ast.Module([n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)], [])
        known = {module_of(p) for p in FILES}
        found = set()
        for node in outside.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                names = {f"{node.module}.{a.name}" for a in node.names} & known
                found |= names or ({node.module} & known)
        arrows[module_of(path)] = found
    while arrows:
        leaves = {name for name, targets in arrows.items() if not targets & set(arrows)}
        assert leaves, f"a circle among {sorted(arrows)}"
        arrows = {name: targets for name, targets in arrows.items() if name not in leaves}


def doc_lines(tree):
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            lines.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_sizes(path):
    text = path.read_text()
    tree = ast.parse(text)
    docs = doc_lines(tree)
    code = [
        line
        for i, line in enumerate(text.splitlines(), 1)
        if i not in docs and line.strip() and not line.strip().startswith("#")
    ]
    if path.name not in ("spec.py", "positions.py"):
        assert len(code) <= (500 if path.name == "network.py" else 300), f"{path.name}: {len(code)} lines of code"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            statements = sum(isinstance(n, ast.stmt) for n in ast.walk(node)) - 1
            assert statements <= 40, f"{path.name}: {node.name} has {statements} statements"
            names = [a.arg for a in (*node.args.args, *node.args.kwonlyargs) if a.arg not in ("self", "cls")]
            assert len(names) <= 8 or room(module_of(path)) == "cli", f"{path.name}: {node.name} has {len(names)}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_every_file_says_what_it_knows(path):
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def test_no_catch_all_names():
    words = {"utils", "common", "helpers", "base", "core", "manager", "engine"}
    for path in FILES:
        assert not words & set(module_of(path).replace("_", ".").split(".")), path
