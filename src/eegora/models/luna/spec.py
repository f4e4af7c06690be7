"""LUNA as data: variants, checkpoints, recipes, channels, licence, paper. Imports no torch; the algebra is in `network.py`."""

from __future__ import annotations

from eegora.checkpoints.published import Published
from eegora.recipes.recipe import Recipe, Step
from eegora.results.pooling import Pooling
from eegora.spec import ModelSpec, Variant

# Rows of the channel table: the sorted union of the three sets below (spec section 7).
VOCABULARY = tuple(
    """
    A1-T3 AF3 AF4 C1 C2 C3 C3-CZ C3-P3 C4 C4-P4 C4-T4 C5 C6 CB1 CB2 CP1 CP2 CP3 CP4 CP5 CP6 CPZ CZ CZ-C4 F1 F10 F2
    F3 F3-C3 F4 F4-C4 F5 F6 F7 F7-T3 F8 F8-T4 F9 FC1 FC2 FC3 FC4 FC5 FC6 FCZ FP1 FP1-F3 FP1-F7 FP2 FP2-F4 FP2-F8 FPZ
    FT7 FT8 FZ O1 O2 OZ P1 P2 P3 P3-O1 P4 P4-O2 P5 P6 P7 P8 PO3 PO4 PO5 PO6 PO7 PO8 POZ PZ T3 T3-C3 T3-T5 T4 T4-A2
    T4-T6 T5 T5-O1 T6 T6-O2 T7 T8 TP7 TP8
    """.split()
)
# The TUH double banana in the order of the pretraining rows; the 20-channel montage is the first 20.
TUEG = tuple(
    """
    FP1-F7 F7-T3 T3-T5 T5-O1 FP2-F8 F8-T4 T4-T6 T6-O2 T3-C3 C3-CZ CZ-C4 C4-T4 FP1-F3 F3-C3 C3-P3 P3-O1 FP2-F4 F4-C4
    C4-P4 P4-O2 A1-T3 T4-A2
    """.split()
)
# Unipolar sets of the Siena and SEED corpora.
SIENA = tuple(
    """
    FP1 FP2 F3 C3 P3 O1 F7 T3 T5 FC1 FC5 CP1 CP5 F9 FZ CZ PZ F4 C4 P4 O2 F8 T4 T6 FC2 FC6 CP2 CP6 F10
    """.split()
)
SEED = tuple(
    """
    FP1 FPZ FP2 AF3 AF4 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 T7 C5 C3 C1 CZ C2 C4 C6 T8
    TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 P7 P5 P3 P1 PZ P2 P4 P6 P8 PO7 PO5 PO3 POZ PO4 PO6 PO8 CB1 O1 OZ O2 CB2
    """.split()
)
# What the 22 derivations need; the order of the original's table.
TUH_ELECTRODES = tuple("FP1 FP2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 A1 A2 FZ CZ PZ".split())
# The rows as the authors' fine-tuning script writes them, which its dataset then labels with TUEG's names (spec section 6).
SCRIPT_ROWS = (*TUEG[:8], "A1-T3", *TUEG[8:12], "T4-A2", *TUEG[12:20])
# Rows of the channel table that only the SEED set uses: pretraining never saw them.
UNSEEN = tuple(sorted(set(SEED) - set(TUEG) - set(SIENA)))

SECTION_6 = "BioFoundation process_raw_eeg.py; spec luna.md, section 6"


def _recipe(name: str, title: str, channels: tuple[Step, ...], rows: tuple[Step, ...] = ()) -> Recipe:
    """Put the chain that all recipes share around the steps that choose channels (before) and rows (after)."""
    return Recipe(
        name,
        (
            *channels,
            Step("filter", {"l_freq": 0.1, "h_freq": 75.0}, f"{SECTION_6}, step 4: MNE's FIR at the native rate"),
            Step("notch", {"freqs": [60.0]}, f"{SECTION_6}, step 5; 50 where the mains is 50"),
            Step("resample", {"rate": 256.0, "truncate": True}, f"{SECTION_6}, step 6: compares int(rate)"),
            *rows,
            Step("table_positions", {}, "spec luna.md, sections 4.4 and 7: one template, whatever the file says"),
            Step("scale", {"unit": "uV"}, f"{SECTION_6}, step 7"),
            Step("cut", {"samples": 1280}, f"{SECTION_6}, step 8: 5 s, the tail is dropped"),
            Step(
                "zscore",
                {"over": "window", "ddof": 1, "eps": 1e-8, "dtype": "float32"},
                "BioFoundation tasks; spec luna.md, section 6: in float32 on µV",
            ),
        ),
        title,
    )


def _bipolar(
    name: str,
    title: str,
    rows: tuple[str, ...],
    labels: tuple[str, ...] | None = None,
    electrodes: tuple[str, ...] = TUH_ELECTRODES,
) -> Recipe:
    """A recipe of derivations; a recording that holds them already is taken by name."""
    derive = {"rows": rows} | ({"labels": labels} if labels else {})
    return _recipe(
        name,
        title,
        (Step("pick", {"names": electrodes, "bipolar": "keep"}, f"{SECTION_6}, step 3"),),
        (Step("derive", derive, f"{SECTION_6}, step 7: first electrode minus second"),),
    )


def _unipolar(name: str, title: str, names: tuple[str, ...] | None) -> Recipe:
    """A recipe of electrodes as recorded."""
    options = {"need_position": True} | ({"names": names} if names else {})
    return _recipe(name, title, (Step("pick", options, "spec luna.md, sections 6 and 7"),))


RECIPES = (
    _bipolar("luna-tuab", "TUH double banana, 22 derivations, 5 s windows", TUEG),
    _unipolar("luna-unipolar", "any electrodes with a position, as recorded", None),
    _bipolar(
        "luna-tueg20",
        "TUH double banana without ears, 20 derivations",
        TUEG[:20],
        electrodes=tuple(name for name in TUH_ELECTRODES if name not in ("A1", "A2")),
    ),
    _unipolar("luna-siena", "the 29 electrodes of the Siena corpus", SIENA),
    _unipolar("luna-seed", "the 62 electrodes of the SEED corpora, at 256 Hz", SEED),
    _bipolar(
        "luna-tuh-finetuned",
        "for models fine-tuned with the authors' script: its rows under TUEG's labels",
        SCRIPT_ROWS,
        TUEG,
    ),
)


def _variant(name: str, width: int, n_queries: int, depth: int, parameters: int, size: int) -> Variant:
    folder, file = name.capitalize(), f"LUNA_{name}.safetensors"
    return Variant(
        name,
        {
            "patch_size": 40,
            "num_queries": n_queries,
            "embed_dim": width,
            "depth": depth,
            "num_heads": 2,
            "mlp_ratio": 4.0,
        },
        Published(
            repos=("PulpBio/LUNA", "thorir/LUNA"),
            files=(file, f"{folder}/{file}"),
            licence="CC BY-ND 4.0: use them, do not pass on changed ones",
            size=size,
        ),
        parameters,
        trained=("embed", "reconstruct", "attention"),
    )


SPEC = ModelSpec(
    name="luna",
    title="LUNA",
    paper="Döner et al., LUNA: Efficient and Topology-Agnostic Foundation Model for EEG Signal Analysis, NeurIPS 2025",
    summary="any set of electrodes with positions, 5 s windows at 256 Hz",
    variants=(
        _variant("base", 64, 4, 8, 6_672_417, 26_700_000),
        _variant("large", 96, 6, 10, 40_660_337, 162_600_000),
        _variant("huge", 128, 8, 24, 303_769_569, 1_215_000_000),
    ),
    recipes=RECIPES,
    tasks=("embed", "reconstruct", "classify", "attention"),
    axes=("window", "patch", "feature"),
    poolings={"window": Pooling(mean=("patch",)), "patches": Pooling(flatten=("patch",))},
    vocabulary={"reconstruct": VOCABULARY},
    unseen={"reconstruct": UNSEEN},
    finetuned=("luna-tuh-finetuned",),
    electrodes={"TUEG": TUEG, "Siena": SIENA, "SEED": SEED},
)
