"""Bad cells: spans, annotations, mask files, missing values."""

import numpy as np
import pytest

from eegora.errors import ChannelError, UsageError
from eegora.models.zuna import masks
from eegora.models.zuna.masks import MaskFile, Span
from eegora.signal import Annotation

NAMES = ("Fp1", "Cz", "T7")


def tokens(*spans, overlap=0.0, n_tokens=8):
    return masks.span_tokens(spans, NAMES, n_tokens, 256.0, overlap)


def test_a_span_marks_every_token_it_touches():
    found = tokens(Span(31 / 256, 33 / 256))
    assert found[:, :3].tolist() == [[True, True, False]] * 3
    assert tokens(Span(0.25, 0.375, ("Cz",))).nonzero() == ([1], [2])
    assert not tokens(Span(0.5, 0.5)).any()


def test_overlap_must_be_exceeded():
    half = Span(16 / 256, 48 / 256)
    assert not tokens(half, overlap=0.5).any()
    assert tokens(Span(15 / 256, 48 / 256), overlap=0.5)[0].tolist() == [True] + [False] * 7


def test_halves_of_samples_go_to_even():
    assert tokens(Span(0.0, 32.5 / 256)).sum() == 3
    assert tokens(Span(0.0, 33.5 / 256)).sum() == 6


def test_annotations_that_begin_with_bad():
    found = masks.annotated([Annotation(1, 2, "bad_x", ("Cz",)), Annotation(0, 9, "not BAD"), Annotation(3, 1, "BAD")])
    assert found == [Span(1, 3, ("Cz",)), Span(3, 4)]


@pytest.mark.parametrize(
    ("width", "by_token", "column"),
    [
        (250, False, lambda n: n),  # samples
        (8, True, lambda n: n // 32),  # tokens: ceil(250 / 32)
        (8, False, lambda n: n * 8 // 250),  # stretched over the recording
        (500, True, lambda n: n * 2),  # at twice the rate
    ],
)
def test_columns_of_a_mask_file(width, by_token, column):
    """A token is bad if one of its samples falls on a bad column."""
    for bad in range(0, width, 7):
        mask = np.zeros((1, width), bool)
        mask[0, bad] = True
        found = masks.file_tokens(MaskFile(mask, ("cz",), by_token), NAMES, 250, 8, 0.0)
        wanted = {n // 32 for n in range(256) if min(column(n), width - 1) == bad}
        assert set(np.flatnonzero(found[1])) == wanted
        assert not found[[0, 2]].any()


def test_a_mask_file_of_other_channels_is_refused():
    with pytest.raises(UsageError, match="O9"):
        masks.file_tokens(MaskFile(np.ones((1, 8), bool), ("O9",)), NAMES, 250, 8, 0.0)


def test_missing_values_are_spans():
    volts = np.zeros((3, 100))
    volts[1, 10:20] = np.nan
    volts[1, 50] = np.inf
    assert masks.missing_spans(volts, NAMES, 100.0) == [Span(0.1, 0.2, ("Cz",)), Span(0.5, 0.51, ("Cz",))]


def test_mask_files_are_written_and_read(tmp_path):
    cells = np.eye(3, dtype=bool)
    path = masks.write_mask(tmp_path / "a_mask.npz", cells, NAMES, 256.0, 96)
    found = masks.read_mask(path)
    assert np.array_equal(found.mask, cells)
    assert (found.ch_names, found.by_token) == (NAMES, True)
    with np.load(path) as file:
        assert {"mask", "ch_names", "sfreq", "num_fine_time_pts", "n_times"} == set(file)


@pytest.mark.parametrize(
    "content", [None, b"no zip", {"mask": np.ones((2, 2))}, {"mask": np.ones(3), "ch_names": ["a"]}]
)
def test_files_that_hold_no_mask_are_refused(content, tmp_path):
    path = tmp_path / "x.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(UsageError) as caught:
        masks.read_mask(path)
    assert caught.value.code == ("not_found" if content is None else "bad_mask")


def test_bad_mask_of_spans_and_channels():
    found = masks.span_mask(100, 100.0, NAMES, [Span(0.3, 0.35), Span(0.99, 5.0, ("cz",))], ["T3"])
    assert found.tolist() == [[True, True, False, False], [True, True, False, True], [True] * 4]


def test_names_are_found_in_any_case_and_by_either_name():
    assert masks.rows_of(["fp1", "T3"], NAMES, "it") == [0, 2]
    with pytest.raises(ChannelError, match="names Oz"):
        masks.rows_of(["Oz"], NAMES, "it")
