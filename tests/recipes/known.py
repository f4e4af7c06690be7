"""The models' recipes as the tests need them, the spec's text turned into steps."""

from __future__ import annotations

from eegora.recipes.recipe import Recipe, Step


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TUH = _names("FP1 FP2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 A1 A2 FZ CZ PZ")
TCP = _names(
    "FP1-F7 F7-T3 T3-T5 T5-O1 FP2-F8 F8-T4 T4-T6 T6-O2 T3-C3 C3-CZ CZ-C4 C4-T4 FP1-F3 F3-C3 C3-P3 P3-O1"
    " FP2-F4 F4-C4 C4-P4 P4-O2 A1-T3 T4-A2"
)
NINETEEN = _names("Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 Fz Cz Pz")

ZUNA = Recipe(
    "zuna",
    (
        Step("pick", {"need_position": True, "unknown": "drop"}),
        Step("resample", {"rate": 256}),
        Step("filter", {"l_freq": 0.5}),
        Step("average_reference", {"over": "good"}),
        Step("zero", {"names": []}),
        Step("zscore", {"over": "global"}),
        Step("cut", {"seconds": 5.0, "reject_by_annotation": True}),
        Step("baseline"),
        Step("divide", {"by": 10}),
    ),
)
ZUNA11 = Recipe(
    "zuna11",
    (
        Step("pick", {"need_position": True, "unknown": "drop"}),
        Step("resample", {"rate": 256, "round_rate": True}),
        Step("filter", {"l_freq": 0.5}),
        Step("cut", {"seconds": 5.0, "tail": 32, "gaps": "keep"}),
        Step("average_reference", {"over": "all"}),
        Step("zscore", {"over": "segment", "eps": 1e-6}),
        Step("divide", {"by": 10}),
    ),
)
LUNA = Recipe(
    "luna",
    (
        Step("pick", {"names": TUH, "bipolar": "keep"}),
        Step("filter", {"l_freq": 0.1, "h_freq": 75.0}),
        Step("notch", {"freqs": 60.0}),
        Step("resample", {"rate": 256, "truncate": True}),
        Step("scale", {"unit": "uV"}),
        Step("derive", {"rows": TCP}),
        Step("cut", {"seconds": 5.0}),
        Step("zscore", {"over": "window", "ddof": 1, "eps": 1e-8, "dtype": "float32"}),
    ),
)
EEGDINO = Recipe(
    "eegdino",
    (
        Step("pick", {"names": NINETEEN}),
        Step("resample", {"rate": 200}),
        Step("filter", {"l_freq": 0.3, "h_freq": 75.0}),
        Step("notch", {"freqs": 60.0}),
        Step("scale", {"unit": "uV"}),
        Step("divide", {"by": 100}),
        Step("cut", {"seconds": 10.0}),
    ),
)
EEGPT = Recipe(
    "eegpt",
    (
        Step("pick"),
        Step("average_reference", {"over": "all"}),
        Step("resample", {"rate": 256}),
        Step("scale", {"unit": "mV"}),
        Step("cut", {"seconds": 4.0}),
    ),
)
EEGPT_TUAB = Recipe(
    "eegpt-tuab",
    (
        Step("pick", {"names": (*NINETEEN[:16], "A1", "A2", "Fz", "Cz", "Pz", "T1", "T2")}),
        Step("filter", {"l_freq": 0.1, "h_freq": 75.0}),
        Step("notch", {"freqs": 50.0}),
        Step("resample", {"rate": 200}),
        Step("scale", {"unit": "uV"}),
        Step("divide", {"by": 100}),
        Step("cut", {"seconds": 10.0}),
    ),
)
RECIPES = {recipe.name: recipe for recipe in (ZUNA, ZUNA11, LUNA, EEGDINO, EEGPT, EEGPT_TUAB)}
