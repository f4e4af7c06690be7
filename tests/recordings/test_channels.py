import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eegora.recordings.channels import Label, alias, nearest_names, parse_label, same_electrode
from eegora.recordings.positions import electrodes

CASES = json.loads((Path(__file__).parents[1] / "data/recordings/preprocessing-channel-names.json").read_text())[
    "cases"
]


def test_there_are_92_labels():
    assert len(CASES) == 92


@pytest.mark.parametrize("case", CASES, ids=[case["raw"] for case in CASES])
def test_a_label_means_what_the_vectors_say(case):
    label = parse_label(case["raw"])
    assert (label.kind, label.name, label.reference) == (case["kind"], case["canonical"], case["reference"])
    assert label.raw == case["raw"]


def test_e1_is_an_eye_unless_there_is_an_e3():
    assert parse_label("E1", ["E1", "E2", "Cz"]).kind == "eog"
    assert parse_label("E2-M1", ["E1-M2", "E2-M1"]).kind == "eog"
    assert parse_label("E1", ["E1", "E2", "E3"]).kind == "unknown"
    assert parse_label("EEG E2", ["EEG E2", "EEG E3"]).kind == "unknown"


def test_t4_a2_is_a_derivation_where_the_chain_has_a1_t3():
    chain = ["FP1-F7", "A1-T3", "T4-A2"]
    assert parse_label("T4-A2", chain).name == "T4-A2"
    assert parse_label("T4-A2", chain).kind == "bipolar"
    assert parse_label("T4-A2", ["C3-A2", "T4-A2"]).name == "T4"


def test_every_electrode_is_found_in_every_dress():
    for name in (*electrodes(), "T1", "T2"):
        for dressed in (
            name.upper(),
            name.lower(),
            f"EEG {name}",
            f"EEG {name.upper()}-LE",
            f"{name}..",
            f"{name}-Ref-1",
        ):
            label = parse_label(dressed)
            assert (label.kind, label.name) == ("eeg", name), dressed


@given(st.text(max_size=16))
def test_any_text_is_some_label_and_its_name_means_itself(text):
    label = parse_label(text, [text, "Cz"])
    assert (label.name is not None) == (label.kind in ("eeg", "bipolar"))
    if label.name is not None and "-" not in label.name:
        assert parse_label(label.name).name == label.name


def test_nul_and_blanks_around_a_label_do_not_count():
    assert parse_label("EEG FP1-REF\0\0 ").name == "Fp1"


def test_an_electrode_against_itself_is_unknown():
    assert parse_label("C3-C3").kind == "unknown"


def test_aliases_work_both_ways_and_in_any_case():
    assert alias("t3") == "T7"
    assert alias("P8") == "T6"
    assert alias("Cz") is None
    assert same_electrode("T5-o1", "P7-O1")
    assert not same_electrode("A1", "M1")


def test_nearest_names_come_closest_first():
    assert nearest_names("FP1", ["Oz", "Fp2", "Fpz", "Fp1"], 2) == ("Fp1", "Fp2")


@pytest.mark.parametrize(
    ("label", "name", "reference"),
    [
        ("POL P3", "P3", None),  # Nihon Kohden
        ("F7-G2", "F7", "G2"),  # Micromed
        ("EEG Fz-G2", "Fz", "G2"),
        ("O1Ref", "O1", "REF"),
        ("EEG CzREF", "Cz", "REF"),
        ("EEG T3 Ref", "T3", "REF"),
    ],
)
def test_labels_of_amplifiers(label, name, reference):
    assert parse_label(label) == Label("eeg", name, reference, label)


def test_contacts_in_the_brain_are_no_electrodes():
    labels = ["POL C3", "POL C14", "POL Fz", "EEG P3-Ref"]
    assert [parse_label(label, labels).name for label in labels] == [None, None, "Fz", "P3"]
    assert parse_label("POL DC01").name is None
    assert parse_label("PhotoRef").name is None
