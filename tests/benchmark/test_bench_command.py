"""`eegora bench`: sections, options, files. What they measure is tested beside it."""

import json
from pathlib import Path

import pytest

from eegora.benchmark import machine, suite
from eegora.benchmark.sections import SECTIONS
from eegora.benchmark.subject import firsts
from eegora.benchmark.sweeps import Plan
from eegora.cli import bench
from eegora.cli.main import main


def test_a_section_writes_its_file_charts_and_lines(tmp_path, capsys, name):
    arguments = ["bench", "latency", name, "--batch", "1", "--threads", "1", "--runs", "2", "--warmup", "1"]
    assert main([*arguments, "-o", str(tmp_path)]) == 0
    assert f"latency: {name}" in capsys.readouterr().out
    slug = machine.slug(machine.facts())
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{slug}-latency.png", f"{slug}.json"]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"][0]["name"] == name
    assert found["machine"]["cores"] > 0


@pytest.fixture
def recorded(monkeypatch):
    """Which sections ran, with which plan, none of them measured."""
    ran = {}

    def run(name, plan, tell):
        ran[name] = plan
        return {"settings": {}, "load": 0.0, "quiet": True, "rows": []}

    monkeypatch.setattr(suite, "run", run)
    return ran


def test_without_a_section_all_run(recorded):
    assert main(["bench"]) == 0
    assert list(recorded) == list(SECTIONS)


def test_a_section_says_the_command_that_makes_it_without_paths(tmp_path, recorded):
    typed = ["bench", "latency", "luna", "--dtype", "float64", "--quick", "--set", "a=1", "--runs", "4"]
    assert main([*typed, "-o", str(tmp_path / "x.json")]) == 0
    command = json.loads((tmp_path / "x.json").read_text())["sections"]["latency"]["command"]
    assert sorted(command.split()) == sorted(["eegora", *typed])
    recorded.clear()
    assert main(command.split()[1:]) == 0
    assert (recorded["latency"].models, recorded["latency"].dtypes) == (("luna",), ("float64",))


def test_quick_is_less_of_everything(recorded):
    assert main(["bench", "--quick"]) == 0
    assert set(recorded) == {name for name, section in SECTIONS.items() if section.quick}
    plan = recorded["latency"]
    assert (plan.quick, plan.runs, plan.threads) == (True, 3, (1,))
    assert plan.seconds * len(recorded) <= 30


def test_the_options_reach_the_plan(recorded):
    main(["bench", "batch", "m", "--threads", "3", "--dtype", "bfloat16,float16", "--set", "a=1"])
    plan = recorded["batch"]
    assert (plan.models, plan.threads, plan.dtypes) == (("m",), (3,), ("bfloat16", "float16"))
    assert (plan.settings, plan.device) == ((("a", 1),), "cpu")


TYPED = {  # an option, what is typed, what the plan then holds
    "batch": ("7", ("batches", (7,))),
    "threads": ("3", ("threads", (3,))),
    "device": ("cpu", ("device", "cpu")),
    "dtype": ("float64", ("dtypes", ("float64",))),
    "checkpoint": ("c.pt", ("checkpoint", Path("c.pt"))),
    "set": ("a=1", ("settings", (("a", 1),))),
    "peers": ("python", ("peers", Path("python"))),
    "warmup": ("4", ("warmup", 4)),
    "runs": ("6", ("runs", 6)),
    "seconds": ("2", ("seconds", 2.0)),
}


def test_every_option_is_tried():
    assert set(TYPED) | {"quick", "as_json", "out"} == bench.ALL


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("option", TYPED)
def test_an_option_before_a_section_is_the_sections_or_is_refused(section, option, recorded, capsys):
    typed, (field, wanted) = TYPED[option]
    code = main(["bench", f"--{option}", typed, section])
    if SECTIONS[section].takes(option):
        assert code == 0
        assert getattr(recorded[section], field) == wanted
        assert main(["bench", section, f"--{option}", typed]) == 0
    else:
        assert (code, recorded) == (2, {})
        err = capsys.readouterr().err
        assert f"--{option} means nothing for `{section}`" in err
        assert err.count("\n") == 1
        assert main(["bench", section, f"--{option}", typed]) == 2


@pytest.mark.parametrize("section", SECTIONS)
def test_the_sections_own_options_win(section, recorded):
    assert main(["bench", "--seconds", "2", section, "--seconds", "5"]) == 0
    assert recorded[section].seconds == 5


@pytest.mark.parametrize("section", SECTIONS)
def test_flags_and_the_file_before_a_section_are_the_sections(section, recorded, tmp_path, capsys):
    assert main(["bench", "--quick", "--json", "-o", str(tmp_path / "x.json"), section]) == 0
    assert recorded[section].quick
    assert json.loads(capsys.readouterr().out)["rows"] == []
    assert section in json.loads((tmp_path / "x.json").read_text())["sections"]


def test_options_without_a_section_reach_all_and_leave_the_others_at_their_defaults(recorded):
    assert main(["bench", "--threads", "1", "--seconds", "2"]) == 0
    assert {(plan.threads, plan.seconds) for plan in recorded.values()} == {((1,), 2.0)}
    assert recorded["latency"].batches == (1, 8)
    assert len(recorded["dtypes"].dtypes) == 4


def test_a_checkpoint_without_a_section_is_refused(recorded, capsys):
    assert main(["bench", "--checkpoint", "c.pt"]) == 2
    assert "--checkpoint means nothing without a section" in capsys.readouterr().err
    assert recorded == {}


def test_show_takes_json_before_it_and_nothing_else(tmp_path, capsys):
    from eegora.benchmark import evidence

    evidence.put(tmp_path / "a.json", {"cpu": "a"}, {})
    assert main(["bench", "--json", "show", str(tmp_path / "a.json")]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == []
    assert main(["bench", "--runs", "3", "show", str(tmp_path / "a.json")]) == 2


def test_models_that_are_measured_only_when_named_are_said(recorded, capsys):
    main(["bench", "latency"])
    large = [n for n in firsts() if n not in Plan().names]
    assert all(name in capsys.readouterr().err for name in large)
    main(["bench", "latency", large[0]])
    assert capsys.readouterr().err == ""


def test_a_device_that_is_not_there_is_one_line(capsys):
    assert main(["bench", "latency", "--device", "cuda:99"]) != 0
    assert "no_device" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "0", "a", "1,-2"])
def test_bad_numbers_are_refused(text, capsys):
    assert main(["bench", "latency", "--batch", text]) == 2
    assert "eegora:" in capsys.readouterr().err


def test_a_file_of_something_else_is_found_out_before_the_work(tmp_path, recorded, capsys):
    (tmp_path / "x.json").write_text("{}")
    assert main(["bench", "latency", "-o", str(tmp_path / "x.json")]) == 2
    assert not recorded
    assert "not touched" in capsys.readouterr().err


def test_show_holds_files_beside_each_other(tmp_path, recorded, capsys):
    from eegora.benchmark import evidence

    row = {"name": "m", "batch": 1, "ms": {"median": 3.0}}
    for name, ms in (("a", 3.0), ("b", 1.5)):
        rows = {"settings": {}, "load": 0.0, "quiet": True, "rows": [row | {"ms": {"median": ms}}]}
        rows["rows"] += [row | {"name": f"only {name}"}]
        evidence.put(tmp_path / f"{name}.json", {"cpu": name}, {"latency": rows})
    files = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    assert main(["bench", "show", *files]) == 0
    out = capsys.readouterr().out
    assert "1.5 (2.00×)" in out
    assert "2 rows that one machine alone has" in out
    assert "only a" not in out
    assert main(["bench", "show", *files, "--all"]) == 0
    assert "only a" in capsys.readouterr().out
    assert main(["bench", "show", files[0]]) == 0
    assert "only a" in capsys.readouterr().out
    assert main(["bench", "show", *files, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["ms"] == [3.0, 1.5]


def test_the_old_name_is_gone(capsys):
    assert main(["benchmark"]) == 2


def test_show_leaves_out_what_is_no_file_of_figures(tmp_path, capsys):
    from eegora.benchmark import evidence

    row = {"name": "m", "batch": 1, "ms": {"median": 3.0}}
    section = {"settings": {}, "load": 0.0, "quiet": True, "rows": [row]}
    evidence.put(tmp_path / "a.json", {"cpu": "a"}, {"latency": section})
    (tmp_path / "other.json").write_text("{}")
    assert main(["bench", "show", str(tmp_path / "other.json"), str(tmp_path / "a.json")]) == 0
    out, err = capsys.readouterr()
    assert "left out" in err
    assert "other.json" in err
    assert "other" not in out
    assert main(["bench", "show", str(tmp_path / "other.json")]) == 2
