"""EEG-DINO as data: variants, checkpoints, recipes, channel slots, licence, paper. Imports no torch; the algebra is in `network.py`."""

from __future__ import annotations

from dataclasses import replace

from eegora.checkpoints.published import Published
from eegora.recipes.recipe import Recipe, Step
from eegora.results.pooling import Pooling
from eegora.spec import Amplitude, ModelSpec, Variant

# Which electrode each channel embedding was trained on is not published (spec 10.3): the order of the pre-training
# pipeline that it follows, and the order of an application that uses it.
TUEG = tuple("Fp1 Fp2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 Fz Cz Pz".split())
ROWS = tuple("Fp1 Fp2 F7 F3 Fz F4 F8 T7 C3 Cz C4 T8 P7 P3 Pz P4 P8 O1 O2".split())
ORDERS = {"tueg": TUEG, "rows": ROWS}
# Slots 0 to 15 of fine-tuned models (spec 6, inferred there).
DERIVATIONS = tuple(
    """
    FP1-F7 F7-T3 T3-T5 T5-O1 FP2-F8 F8-T4 T4-T6 T6-O2 FP1-F3 F3-C3 C3-P3 P3-O1 FP2-F4 F4-C4 C4-P4 P4-O2
    """.split()
)

SECTION_6 = "CBraMod's preparation of TUEG; spec eegdino.md, section 6"
INFERRED = "inferred from CBraMod's fine-tuning; spec eegdino.md, section 6"


def _recipe(name: str, title: str, pick: Step, rows: tuple[Step, ...], cut: Step, last: tuple[Step, ...]) -> Recipe:
    """Put the chain that all recipes share around their channels and windows."""
    return Recipe(
        name,
        (
            pick,
            Step("resample", {"rate": 200.0}, f"{SECTION_6}: resampled first"),
            Step("filter", {"l_freq": 0.3, "h_freq": 75.0}, f"{SECTION_6}: MNE's FIR"),
            Step("notch", {"freqs": [60.0]}, f"{SECTION_6}; 50 where the mains is 50"),
            *rows,
            Step("scale", {"unit": "uV"}, SECTION_6),
            Step("divide", {"by": 100.0}, "spec eegdino.md, section 4.1"),
            cut,
            *last,
        ),
        title,
    )


def _electrodes(name: str, title: str, missing: str, cut: Step, *last: Step) -> Recipe:
    """A recipe of the 19 electrodes, as referenced in the file."""
    pick = Step("pick", {"names": TUEG, "missing": missing}, f"{SECTION_6}: no re-referencing")
    return _recipe(name, title, pick, (), cut, last)


def _of_long_recordings(recipe: Recipe) -> Recipe:
    """Return a recipe that refuses recordings below five minutes."""
    short = Step("require", {"seconds": 300.0}, "spec preprocessing.md, section 5: CBraMod left shorter ones out")
    return replace(recipe, steps=(short, *recipe.steps))


def _derivations(name: str, title: str, seconds: float) -> Recipe:
    """A recipe of 16 derivations, for models that were fine-tuned on them."""
    ends = tuple(dict.fromkeys(end for row in DERIVATIONS for end in row.split("-")))
    return _recipe(
        name,
        title,
        Step("pick", {"names": ends, "bipolar": "keep"}, INFERRED),
        (Step("derive", {"rows": DERIVATIONS}, f"{INFERRED}: first electrode minus second"),),
        Step("cut", {"seconds": seconds}, INFERRED),
        (),
    )


# The training data held nothing larger (spec 6): windows beyond it are flagged, not clipped.
LARGE = Step("reject", {"limit_uv": 100.0, "drop": False}, f"{SECTION_6}: training windows stayed below")

RECIPES = (
    _electrodes(
        "eegdino",
        "those of 19 electrodes that there are, as recorded, 10 s windows at 200 Hz",
        "skip",  # each electrode has the slot of its name: nothing is made up for the others (spec 6, `by_name`)
        Step("cut", {"seconds": 10.0}, "spec preprocessing.md, section 6.5: the tail is dropped"),
        LARGE,
    ),
    _of_long_recordings(
        _electrodes(
            "eegdino-pretraining",
            "as its training data were made: 5 minutes or longer, without the first and last minute, 30 s windows below 100 µV",
            "refuse",
            Step("cut", {"seconds": 30.0, "skip": 60.0}, SECTION_6),
            Step("reject", {"limit_uv": 100.0}, SECTION_6),
        )
    ),
    _derivations("eegdino-tuab", "16 derivations, 10 s windows: for models fine-tuned on TUAB", 10.0),
    _derivations("eegdino-tuev", "16 derivations, 5 s windows: for models fine-tuned on TUEV", 5.0),
)


def _variant(name: str, config: dict[str, object], parameters: int) -> Variant:
    letter = name[0].upper()
    return Variant(
        name,
        {"patch_size": 200, "n_channel_embeddings": 19, "n_global_tokens": 1} | config,
        # The first two hold the student; another library's repository, the teacher (--repo braindecode/eegdino-…).
        Published(
            repos=("eugenehp/eegdino", "eegdino/EEG-DINO"),
            files=(
                f"eeg_dino_{name}.safetensors",
                f"pre-trained-models/model_EEG_DINO_{letter}.pt",
                "model.safetensors",
                "pytorch_model.bin",
            ),
            licence="none stated for these weights; ask their authors before passing them on",
            size=4 * parameters,
            config_files=("config.json",),
        ),
        parameters,
        trained=("embed",),
    )


SPEC = ModelSpec(
    name="eeg-dino",
    title="EEG-DINO",
    paper="Wang et al., EEG-DINO: Learning EEG Foundation Models via Hierarchical Self-Distillation, MICCAI 2025",
    summary="the 19 electrodes of the 10-20 system, windows of whole seconds at 200 Hz",
    variants=(
        _variant("small", {"emb_dim": 200, "n_layer": 12, "dim_feedforward": 512, "conv": [25, 25, 25]}, 4_433_944),
        _variant("medium", {"emb_dim": 512, "n_layer": 16, "dim_feedforward": 1024, "conv": [64, 128, 64]}, 33_755_456),
        _variant(
            "large", {"emb_dim": 1024, "n_layer": 24, "dim_feedforward": 2048, "conv": [128, 256, 128]}, 201_908_864
        ),
    ),
    recipes=RECIPES,
    tasks=("embed", "classify"),
    axes=("window", "token", "feature"),
    # Token 0 is the global one; `all` counts it in, as one application does (spec 5).
    poolings={
        "mean": Pooling(drop=(("token", 1),), mean=("token",)),
        "cls": Pooling(take=(("token", 0),), reads=(("read", "cls"),)),
        "all": Pooling(mean=("token",)),
        "tokens": Pooling(drop=(("token", 1),), flatten=("token",)),
    },
    amplitude=Amplitude("spec eegdino.md, section 6: larger windows were rejected", peak_uv=100.0),
    settings=("channels", "channel_order", "tail", "read"),
    finetuned=("eegdino-tuab", "eegdino-tuev"),
    electrodes={"TUEG": TUEG, "derivations": DERIVATIONS},
)
