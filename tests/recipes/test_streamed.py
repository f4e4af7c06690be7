"""Recordings in pieces: every recipe gives what it gives in memory, whatever the size of a piece; nothing is left on disk."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from eegora import registry
from eegora.errors import EegoraError, RecordingError, UsageError
from eegora.recipes import pieces, resample_blocks, spill, streamed
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe, Step
from eegora.recipes.steps import STEPS
from eegora.recipes.value_steps import align_blocks
from eegora.signal import Annotation, Signal
from eegora.stream import Room, Stream, chained, stretch
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
    monkeypatch.setattr(pieces, "CHANNELS", 50_000)
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
    assert isinstance(found.data, np.memmap)
    assert_same(found, wanted)


CUTS = (Step("cut", {"seconds": 1.5, "every": 1.0}), Step("cut", {"seconds": 4.0, "tail": 32}))
EXACT = ("standardise", "clip", "align")  # sums go on where they stopped, in the order of the samples


def with_lines() -> Signal:
    """Return a recording with 50 Hz on good channels, 80 Hz on the bad one, and a channel that is flat."""
    signal = long_one()
    at = np.arange(signal.n_times) / signal.sfreq
    signal.data[:] += 3e-5 * np.sin(2 * np.pi * 50.0 * at)
    signal.data[signal.ch_names.index("C3")] += 1e-3 * np.sin(2 * np.pi * 80.0 * at)
    signal.data[5] = 1e-4
    return signal


def at_the_cut(source: Signal | Stream, steps: Sequence[Step]) -> Signal:
    """Return all of a recording before the cut, in float64."""
    if isinstance(source, Signal):
        for step in steps:
            source = STEPS[step.name].function(source, **step.options)
        return source
    stream, _ = streamed._to_the_cut(source, Recipe("these", (*steps, CUTS[0])), pieces.Work(Room()))
    head = stream.head
    whole = chained([piece for _, piece in stream.pieces()])
    assert (stream.n_times, stream.sfreq) == (whole.n_times, whole.sfreq)
    return replace(whole, notes=head.notes, not_undone=head.not_undone, annotations=head.annotations)


@pytest.mark.parametrize(
    "step",
    [
        Step("filter", {"l_freq": 1.0, "h_freq": 40.0, "method": "iir"}),
        Step("resample", {"rate": 100.0, "method": "nearest"}),
        Step("zscore", {"over": "global", "ddof": 1, "eps": 1e-8}),
        Step("zscore", {"over": "channel", "ddof": 1, "eps": 1e-8}),
        Step("notch", {"freqs": [50.0, 100.0]}),
        Step("notch", {"detect": True}),
        Step("clip", {"limit": 2e-5}),
        Step("clip", {"limit": 1.0}),
        Step("standardise", {"factor": 1e-2}),
    ],
    ids=lambda step: f"{step.name} {dict(step.options)}",
)
@pytest.mark.parametrize("behind", [(), (Step("average_reference", {"over": "good"}), Step("filter", {"l_freq": 0.5}))])
@pytest.mark.parametrize("piece", [1 << 13, 100_003])
def test_steps_before_the_cut(
    step: Step, behind: tuple[Step, ...], piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = with_lines()
    monkeypatch.setattr("eegora.stream.PIECE", piece)
    wanted, found = at_the_cut(signal, [*behind, step]), at_the_cut(stream_of(signal), [*behind, step])
    assert (found.notes, found.not_undone) == (wanted.notes, wanted.not_undone)
    for ours, theirs in ((found.data, wanted.data), (found.to_volts(), wanted.to_volts())):
        if step.name in EXACT and not behind:
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * np.abs(theirs).max())
    for cut in CUTS:
        recipe = Recipe("one", (*behind, step, cut))
        assert_same(prepare(stream_of(signal), recipe), prepare(signal, recipe))


def test_float64_of_the_pieces_is_that_of_the_whole_to_1e_12() -> None:
    found, wanted = at_the_cut(stream_of(long_one()), ZUNA.before), at_the_cut(long_one(), ZUNA.before)
    np.testing.assert_allclose(found.data, wanted.data, rtol=0, atol=1e-12 * np.abs(wanted.data).max())


def test_lines_are_looked_for_in_good_channels_and_found_where_the_whole_has_them() -> None:
    signal = replace(recording("Fp1 Fp2 C3", 71.3, 250.0), bads=("Fp2", "C3"))
    at = np.arange(signal.n_times) / signal.sfreq
    for row, hz in ((0, 50.0), (1, 80.0), (2, 80.0)):
        signal.data[row] += 1e-3 * np.sin(2 * np.pi * hz * at)
    found = at_the_cut(stream_of(signal), [Step("notch", {"detect": True})])
    assert found.notes == ("line noise found at 49.99 Hz",)  # the nearest of the bins of 4096 samples


def test_a_z_score_in_float32_is_that_of_the_whole_but_for_rounding() -> None:
    for over in ("global", "channel"):
        step = Step("zscore", {"over": over, "dtype": "float32"})
        recipe = Recipe("one", (step, CUTS[0]))
        assert_same(prepare(stream_of(long_one()), recipe), prepare(long_one(), recipe), 1e-6)


@pytest.mark.parametrize(
    "steps",
    [
        (Step("align"),),
        (Step("standardise"), Step("align"), Step("min_max")),
        (Step("clip", {"limit": 4e-5}), Step("baseline")),
        (Step("reject", {"limit_uv": 95.0}), Step("align")),
        (Step("clip", {"limit": 4e-5}), Step("baseline"), Step("reject", {"limit_uv": 41.0, "drop": False})),
    ],
    ids=lambda steps: " ".join(step.name for step in steps),
)
@pytest.mark.parametrize("piece", [1 << 12, 100_003, 1 << 23])
def test_steps_behind_the_cut(steps: tuple[Step, ...], piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = long_one()
    monkeypatch.setattr("eegora.stream.PIECE", piece)
    for cut in CUTS:
        recipe = Recipe("one", (cut, *steps))
        wanted, found = prepare(signal, recipe), prepare(stream_of(signal), recipe)
        np.testing.assert_array_equal(found.data, wanted.data)
        assert_same(found, wanted)


@pytest.mark.parametrize("cut", CUTS, ids=["overlapping", "ragged"])
def test_windows_aligned_in_pieces_are_those_of_the_session_to_the_bit(cut: Step) -> None:
    windows = STEPS["cut"].function(long_one(), **cut.options)
    wanted = STEPS["align"].function(windows)
    for n in (1, 7, len(windows)):
        parts = [windows.take(slice(first, first + n)) for first in range(0, len(windows), n)]
        aligned = align_blocks(partial(iter, parts))
        np.testing.assert_array_equal(np.concatenate([some.data for some in aligned()]), wanted.data)


def test_channels_that_depend_on_each_other_are_refused_in_pieces_too() -> None:
    recipe = Recipe("one", (Step("average_reference", {"over": "all"}), CUTS[0], Step("align")))
    found, said = outcome(stream_of(long_one()), recipe)
    assert (found, said) == outcome(long_one(), recipe)
    assert "rank_deficient" in said


def test_a_step_that_undoes_nothing_behind_a_moving_scale_is_refused_in_pieces_too() -> None:
    for step in (Step("filter", {"l_freq": 1.0}), Step("resample", {"rate": 100.0})):
        recipe = Recipe("one", (Step("standardise"), step, CUTS[0]))
        assert outcome(stream_of(long_one()), recipe) == outcome(long_one(), recipe)
        assert "standardise" in outcome(long_one(), recipe)[1]


def test_pieces_may_be_read_in_any_order() -> None:
    signal = with_lines()
    wanted = STEPS["standardise"].function(signal).data
    recipe = Recipe("moving", (Step("standardise"), CUTS[0]))
    stream, _ = streamed._to_the_cut(stream_of(signal), recipe, pieces.Work(Room()))
    for start, stop in ((9000, 9500), (17, 40), (9100, 12000), (17_000, signal.n_times)):
        np.testing.assert_array_equal(stream.read(start, stop).data, wanted[:, start:stop])


@pytest.mark.parametrize(
    "steps",
    [
        (Step("notch", {"detect": True}), Step("zscore", {"over": "channel"}), CUTS[1]),
        (Step("clip", {"limit": 2e-5}), Step("standardise"), CUTS[0]),
        (CUTS[1], Step("clip", {"limit": 2e-5}), Step("align")),
    ],
    ids=["notch zscore", "clip standardise", "clip align"],
)
def test_nothing_holds_the_whole(steps: tuple[Step, ...]) -> None:
    """What the source is asked for at a time, and what is allocated, are small shares of the recording."""
    signal = recording(NAMES, 600.0, 250.0, annotations=GAPS)
    stream, asked = stream_of(signal), list[int]()

    def counted(start: int, stop: int) -> Signal:
        asked.append(stop - start)
        return stream.read(start, stop)

    recipe, source = Recipe("one", steps), replace(stream, read=counted)
    prepare(source, recipe)  # what is imported and cached on the way does not count
    tracemalloc.start()
    prepare(source, recipe, room=Room(way_back=False))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(asked) >= 3 * signal.n_times  # passes for what is to be found, and one to apply it, twice
    assert max(asked) < signal.n_times / 20
    assert peak < signal.data.nbytes / 3


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
