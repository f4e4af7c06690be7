"""Which rows mix channels recorded against different references: said in every result, and by `check`."""

import numpy as np
import pytest

from eegora import registry
from eegora.check.fit import check_recording
from eegora.recipes.prepare import prepare
from eegora.recordings.read import array_to_signal
from eegora.recordings.references import references
from eegora.registry import find_recipe


def recording(*labels, seconds=12.0):
    data = np.random.default_rng(0).standard_normal((len(labels), round(256 * seconds))) * 2e-5
    return array_to_signal(data, list(labels), 256.0)


def told(model, recipe, *labels):
    """Return what a result says of references, and the finding of `check`."""
    signal, spec = recording(*labels), registry.find(model)[1]
    windows = prepare(signal, find_recipe(spec, recipe), missing="skip")
    notes = [note for note in windows.notes if "different references" in note]
    finding = check_recording(signal, spec, recipe=recipe, missing="skip").finding("reference")
    assert bool(notes) == (finding.severity == "warning")
    assert all(note.startswith(finding.sentence) for note in notes)
    return notes


def test_labels_of_one_reference_count_as_one():
    plan = recording("EEG C3-AVG", "C4/CAR", "O1-REF", "O2", "Fz-REFERENCE", "Cz-A1").plan
    assert set(references(plan).values()) == {"AVG", "REF", "A1"}


def test_differences_of_channels_against_different_references_are_told():
    (note,) = told("luna-base", None, "C4/A1", "P4 -AVG", "EEG O2-LE")
    assert note.startswith("C4-P4, P4-O2: differences of channels recorded against different references (A1, AVG, LE)")


def test_an_average_over_channels_against_different_references_is_told():
    (note,) = told("eegpt", None, "C3-A2", "C4-A1", "O1-A2")
    assert note.startswith("the average is over channels recorded against different references (A1, A2)")


@pytest.mark.parametrize("reference", ["A1", "REF"])
def test_one_reference_is_no_matter(reference):
    labels = [f"{name}-{reference}" for name in ("C4", "P4", "O2")]
    assert not told("luna-base", None, *labels)
    assert not told("eegpt", None, *labels)
    assert not told("eegpt", None, *labels[:2], "O1")  # of the third nothing is known


def test_derivations_that_do_not_mix_are_not_told_of():
    assert not told("luna-base", None, "C4-A1", "P4-A1", "F3-A2", "C3-A2")


def test_rows_as_recorded_against_different_references_are_told():
    (note,) = told("luna-base", "luna-unipolar", "C3-A2", "C4-A1")
    assert note.startswith("rows recorded against different references (A1, A2), taken as they are")
