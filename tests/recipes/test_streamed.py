"""Recordings in pieces: every recipe gives what it gives in memory, whatever the size of a piece; nothing is left on disk."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eegora import registry
from eegora.errors import EegoraError, RecordingError, UsageError
from eegora.recipes import resample_blocks, spill, streamed
from eegora.recipes.recipe import Recipe, Step, prepare
from eegora.signal import Annotation, Signal
from eegora.stream import Room, Stream, stretch
from eegora.windows import Windows
from tests.recipes.known import NINETEEN, ZUNA, ZUNA11
from tests.recipes.test_steps import recording

NAMES = " ".join([*NINETEEN, "A1", "A2"])
SAME = ("ch_names", "sfreq", "not_undone", "plan", "flags", "notes", "annotations", "name", "recipe", "bads")
SHIPPED = {r.name: r for spec in registry.specs().values() for r in spec.recipes}
GAPS = (Annotation(20.5, 3, "BAD_ACQ_SKIP"), Annotation(41, 0, "EDGE boundary"), Annotation(50, 1, "BAD_move"))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which a minute of EEG is a large recording."""
    monkeypatch.setattr("eegora.stream.PIECE", 1 << 15)
    monkeypatch.setattr(streamed, "PIECE", 1 << 15)
    monkeypatch.setattr(streamed, "CHANNELS", 50_000)
    monkeypatch.setattr(spill, "SMALL", 1000)


def long_one(sfreq: float = 250.0, seconds: float = 71.3) -> Signal:
    return recording(NAMES, seconds, sfreq, bads=("C3",), annotations=GAPS)


def stream_of(signal: Signal) -> Stream:
    head = replace(signal, data=np.zeros((len(signal.ch_names), 2)))
    return Stream(head, signal.n_times, lambda start, stop: stretch(signal, start, stop))


def outcome(source: Signal | Stream, recipe: Recipe) -> tuple[Windows | None, str]:
    """Return the windows, or why there are none."""
    try:
        return prepare(source, recipe, missing="skip"), ""
    except EegoraError as error:
        return None, str(error)


def assert_same(found: Windows, wanted: Windows, within: float = 1e-12) -> None:
    for name in SAME:
        assert getattr(found, name) == getattr(wanted, name), name
    for name in ("onsets", "index", "n_valid"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    # float32 at the end: what differs in the last bit of float64 may fall on another side of a rounding.
    np.testing.assert_allclose(found.data, wanted.data, rtol=1e-6, atol=1e-6 * np.abs(wanted.data).max())
    rounded = 2e-7 if within < 1e-7 else within
    volts = wanted.to_volts()
    np.testing.assert_allclose(found.to_volts(), volts, rtol=0, atol=rounded * np.abs(volts).max())


@pytest.mark.parametrize("sfreq", [250.0, 256.0])
@pytest.mark.parametrize("name", SHIPPED)
def test_every_recipe_in_pieces_is_the_recipe_in_memory(name: str, sfreq: float) -> None:
    signal, recipe = long_one(sfreq), SHIPPED[name]
    wanted, refused = outcome(signal, recipe)
    found, said = outcome(stream_of(signal), recipe)
    assert said == refused
    if found is None or wanted is None:
        assert refused
        return
    if whole := streamed.obstacle(recipe.steps):
        assert found.notes[0] == f"held in memory as a whole: {whole} has no way to go in pieces"
        found = replace(found, notes=found.notes[1:])
    else:
        assert isinstance(found.data, np.memmap)
    assert_same(found, wanted)


def test_float64_of_the_pieces_is_that_of_the_whole_to_1e_12() -> None:
    signal = long_one()
    chain = ZUNA.steps[: [step.name for step in ZUNA.steps].index("cut")]
    work = streamed._Work(Room())
    stream = stream_of(signal)
    state = signal
    for step in chain:
        stream = streamed._taken(stream, step, work)
        state = streamed.STEPS[step.name].function(state, **step.options)
    found = np.concatenate([piece.data for _, piece in stream.pieces()], axis=1)
    np.testing.assert_allclose(found, state.data, rtol=0, atol=1e-12 * np.abs(state.data).max())
    assert (stream.n_times, stream.sfreq) == (state.n_times, state.sfreq)


@pytest.mark.parametrize(
    "step",
    [
        Step("filter", {"l_freq": 1.0, "h_freq": 40.0, "method": "iir"}),
        Step("resample", {"rate": 100.0, "method": "nearest"}),
        Step("zscore", {"over": "global", "dtype": "float32", "ddof": 1, "eps": 1e-8}),
        Step("notch", {"freqs": [50.0, 100.0]}),
        Step("notch", {"detect": True}),
        Step("clip", {"limit": 2e-5}),
    ],
    ids=lambda step: f"{step.name} {dict(step.options)}",
)
@pytest.mark.parametrize("behind_reference", [False, True])
def test_steps_before_the_cut(step: Step, behind_reference: bool) -> None:
    first = (Step("average_reference", {"over": "good"}),) * behind_reference
    recipe = Recipe("one", (*first, step, Step("cut", {"seconds": 1.5, "every": 1.0})))
    found = prepare(stream_of(long_one()), recipe)
    if streamed.obstacle(recipe.steps):
        found = replace(found, notes=found.notes[1:])
    assert_same(found, prepare(long_one(), recipe), 1e-6 if "dtype" in step.options else 1e-12)


def test_windows_at_events_and_a_least_length_in_pieces() -> None:
    events = tuple(
        Annotation(at, 0.0, text) for at, text in ((3.3, "left"), (40.1, "right"), (3.9, "left"), (70.9, "left"))
    )
    signal = replace(long_one(), annotations=events)
    steps = (
        Step("require", {"seconds": 60.0}),
        Step("filter", {"l_freq": 0.5}),
        Step("cut", {"seconds": 2.0}),
        Step("baseline"),
    )
    recipe = Recipe("events", steps).at_events(["left", "right"], tmin=-0.2)
    in_pieces, whole = prepare(stream_of(signal), recipe), prepare(signal, recipe)
    assert_same(in_pieces, whole, 1e-6)
    assert whole.flags == (("event:left",), ("event:left",), ("event:right",))
    long = recipe.with_options("require", seconds=72.0)
    assert outcome(stream_of(signal), long) == outcome(signal, long)
    assert outcome(signal, long)[0] is None


@pytest.mark.parametrize("drop", [False, True])
def test_windows_beyond_a_limit_are_counted_over_all_pieces(drop: bool) -> None:
    signal = long_one()
    signal.data[:, 7000:9000] *= 50
    recipe = Recipe(
        "loud", (Step("cut", {"seconds": 2}), Step("reject", {"limit_uv": 400.0, "drop": drop}), Step("baseline"))
    )
    wanted = prepare(signal, recipe)
    assert any("400 µV" in note for note in wanted.notes)
    assert_same(prepare(stream_of(signal), recipe), wanted)
    silent = recipe.with_options("reject", limit_uv=1e-3)
    if drop:
        with pytest.raises(RecordingError, match="least peak"):
            prepare(stream_of(signal), silent)


def test_without_the_way_back_volts_are_not_a_number_and_the_data_are_the_same() -> None:
    signal = long_one()
    found = prepare(stream_of(signal), ZUNA11, room=Room(way_back=False))
    np.testing.assert_array_equal(found.data, prepare(stream_of(signal), ZUNA11).data)
    assert np.isnan(found.to_volts()).all()


def test_blocks_are_said_and_are_those_of_the_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resample_blocks, "LONGEST", 1 << 12)
    monkeypatch.setattr(resample_blocks, "BLOCK_S", 20.0)
    monkeypatch.setattr(resample_blocks, "MARGIN_S", 5.0)
    signal = long_one()
    wanted = prepare(signal, ZUNA11)
    assert any(note.startswith("resample: blocks") for note in wanted.notes)
    assert_same(prepare(stream_of(signal), ZUNA11), wanted)


def test_a_disk_too_small_is_refused_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(start: int, stop: int) -> Signal:
        raise AssertionError("read")

    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Disk", (), {"free": 1_000_000})())
    stream = replace(stream_of(long_one()), read=never)
    with pytest.raises(UsageError, match=r"0\.00\d+ GB of temporary files.*--temp DIR.*disk_full"):
        prepare(stream, ZUNA, room=Room(folder=tmp_path))
    with pytest.raises(UsageError, match="no folder"):
        prepare(stream, ZUNA, room=Room(folder=tmp_path / "none"))


def test_temporary_files_have_no_name_and_go_where_they_are_told(tmp_path: Path) -> None:
    """Files without a name cannot stay behind, whatever ends the process."""
    windows = prepare(stream_of(long_one()), ZUNA, room=Room(folder=tmp_path))
    assert not list(tmp_path.iterdir())
    kept = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    assert any(str(tmp_path) in name for name in kept)  # the memory map holds it
    assert np.isfinite(windows.data).all()
    windows.let_go()
    assert np.isfinite(windows.data).all()


def test_progress_is_told_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    tell = Room(progress=lambda done, total: seen.append((done, total)))
    windows = prepare(stream_of(long_one()), ZUNA, room=tell)
    assert seen[-1] == (len(windows), len(windows))
    assert len({total for _, total in seen}) > 1  # passes over the recording, then windows


def test_a_sample_that_is_no_number_is_refused_in_pieces_too() -> None:
    signal = long_one()
    signal.data[3, 9000] = np.nan
    with pytest.raises(RecordingError, match="non_finite"):
        prepare(stream_of(signal), ZUNA11)
