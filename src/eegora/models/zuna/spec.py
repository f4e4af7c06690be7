"""ZUNA as data: variants, checkpoints, recipes, licence, paper. Imports no torch; the algebra is in `network.py`."""

from __future__ import annotations

from eegora.checkpoints.published import Published
from eegora.recipes.recipe import Recipe, Step
from eegora.results.pooling import Pooling
from eegora.spec import ModelSpec, Variant

PATCH = 32  # samples of one channel in a token
RATE = 256.0
SHORTEST_S, LONGEST_S = 0.5, 30.0  # of the second generation's training segments
TASKS = ("embed", "reconstruct", "decode", "repair", "upsample")

SECOND = "zuna 1.1.6, EEGDataset_v4; spec zuna-pipeline.md"
FIRST = "zuna 1.1.6, preprocessing; spec zuna-pipeline.md"

ZUNA11 = Recipe(
    "zuna11",
    (
        Step("pick", {"need_position": True, "unknown": "drop", "at_least": 3}, f"{SECOND}, A1.4"),
        Step(
            "resample", {"rate": RATE, "round_rate": True}, f"{SECOND}, A1.5: before the filter; compares round(rate)"
        ),
        Step("filter", {"l_freq": 0.5}, f"{SECOND}, A1.6: MNE's FIR"),
        Step("cut", {"seconds": 5.0, "tail": PATCH}, f"{SECOND}, A3: the last segment is cut to whole tokens"),
        Step("lengths", {"least": SHORTEST_S, "most": LONGEST_S}, "spec preprocessing.md, sections 6.2 and 7"),
        Step("average_reference", {"over": "all"}, f"{SECOND}, A3.1: per segment, bad channels included"),
        Step(
            "zscore", {"over": "window", "ddof": 0, "eps": 1e-6}, f"{SECOND}, A3.2: 1 µV is added, so volts it must be"
        ),
        Step("divide", {"by": 10.0}, f"{SECOND}, A3.3: data_norm; the limits of ±1 are the model's"),
    ),
    "5 s segments, each referenced and scaled by itself: what the second generation was trained on",
)

ZUNA = Recipe(
    "zuna",
    (
        Step("pick", {"need_position": True, "unknown": "drop"}, f"{FIRST}, B2.1"),
        Step("resample", {"rate": RATE}, f"{FIRST}, B2.2"),
        Step("filter", {"l_freq": 0.5}, f"{FIRST}, B2.3"),
        Step("average_reference", {"over": "good"}, f"{FIRST}, B2.4: bad channels are neither used nor changed"),
        Step("notch", {"detect": False}, f"{FIRST}, B2.5: off; detect = true looks for lines"),
        Step("zero", {"names": ()}, f"{FIRST}, B2.6: channels that the user calls bad"),
        Step("zscore", {"over": "global", "ddof": 0}, f"{FIRST}, B2.8: one mean and deviation for the recording"),
        Step("cut", {"seconds": 5.0, "reject_by_annotation": True}, f"{FIRST}, B2.10: the tail is dropped"),
        Step("baseline", {}, f"{FIRST}, B2.10"),
        Step("divide", {"by": 10.0}, f"{FIRST}, B2.14: data_norm"),
    ),
    "5 s epochs on the scale of the whole recording: what the first generation was trained on",
)

EPOCHS = Recipe(
    "zuna-epochs",
    (
        Step("pick", {"need_position": True, "unknown": "drop"}, f"{FIRST}, B2.1"),
        Step("resample", {"rate": RATE}, f"{FIRST}, B5: no filter by default"),
        Step("average_reference", {"over": "good"}, f"{FIRST}, B5"),
        Step("cut", {"seconds": 5.0, "tail": PATCH}, "an epoch is one window, or several of 5 s; cut to whole tokens"),
        Step("zscore", {"over": "window", "ddof": 0}, f"{FIRST}, B5: per epoch and channel"),
        Step("divide", {"by": 10.0}, f"{FIRST}, B2.14: data_norm"),
    ),
    "recordings that come as epochs: unfiltered, each channel of an epoch on its own scale",
)


def _variant(name: str, repo: str, parameters: int, *, second: bool) -> Variant:
    return Variant(
        name,
        {"dim": 1024, "n_layers": 16, "head_dim": 64, "qk_norm": second, "sandwich": second},
        Published(
            repos=(repo,),
            files=("model-00001-of-00001.safetensors",),
            licence="Apache-2.0",
            size=4 * parameters,
            config_files=("config.json",),
        ),
        parameters,
        trained=TASKS,
        recipe=None if second else "zuna",
    )


SPEC = ModelSpec(
    name="zuna",
    title="ZUNA",
    paper="Zyphra, ZUNA: a masked diffusion auto-encoder for scalp EEG, 2026",
    summary="any electrodes with positions, 0.5 to 30 s (first generation: 5 s) at 256 Hz; fills in what is missing",
    variants=(
        _variant("1.1", "Zyphra/ZUNA1.1", 382_106_752, second=True),
        _variant("1", "Zyphra/ZUNA", 382_018_688, second=False),
    ),
    recipes=(ZUNA11, ZUNA, EPOCHS),
    tasks=TASKS,
    parts={"embed": ("encoder_only",)},
    settings=("cfg", "draw", "half_range", "noise", "position_bins", "seed", "steps"),
    axes=("window", "channel", "time", "feature"),
    poolings={
        "window": Pooling(mean=("channel", "time")),
        "channels": Pooling(mean=("time",), flatten=("channel",)),
        "tokens": Pooling(flatten=("channel", "time")),
    },
)
