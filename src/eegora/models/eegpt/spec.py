"""EEGPT as data: variants, checkpoints, channels, recipes and the published downstream tasks. Imports no torch; the algebra is in `network.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eegora.checkpoints.published import Published
from eegora.recipes.recipe import Recipe, Step
from eegora.results.pooling import Pooling
from eegora.spec import Amplitude, ModelSpec, Variant

# Row i of the channel table belongs to name i (spec section 4).
VOCABULARY = tuple(
    """
    FP1 FPZ FP2 AF7 AF3 AF4 AF8 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 T7 C5 C3 C1 CZ C2 C4 C6
    T8 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 P7 P5 P3 P1 PZ P2 P4 P6 P8 PO7 PO5 PO3 POZ PO4 PO6 PO8 O1 OZ O2
    """.split()
)
OLD_NAMES = ("T3", "T4", "T5", "T6")  # understood as T7, T8, P7, P8
# Rows of the channel table that pre-training never used: they still hold their initial noise.
UNSEEN = ("AF7", "AF8", "PO5", "PO6")
PRETRAINED = tuple(name for name in VOCABULARY if name not in UNSEEN)
CANONICAL = tuple("FP1 FP2 F7 F3 FZ F4 F8 T7 C3 CZ C4 T8 P7 P3 PZ P4 P8 O1 O2".split())
WITH_FPZ = (CANONICAL[0], "FPZ", *CANONICAL[1:])

# Names of the recordings that the downstream tasks start from.
BCIC2A = tuple("FZ FC3 FC1 FCZ FC2 FC4 C5 C3 C1 CZ C2 C4 C6 CP3 CP1 CPZ CP2 CP4 P1 PZ P2 POZ".split())
BIOSEMI64 = tuple(
    """
    FP1 AF7 AF3 F1 F3 F5 F7 FT7 FC5 FC3 FC1 C1 C3 C5 T7 TP7 CP5 CP3 CP1 P1 P3 P5 P7 P9 PO7 PO3 O1 IZ OZ POZ PZ CPZ FPZ
    FP2 AF8 AF4 AFZ FZ F2 F4 F6 F8 FT8 FC6 FC4 FC2 FCZ CZ C2 C4 C6 T8 TP8 CP6 CP4 CP2 P2 P4 P6 P8 P10 PO8 PO4 O2
    """.split()
)
TUH = tuple("FP1 FP2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T3 T4 T5 T6 A1 A2 FZ CZ PZ T1 T2".split())
SLEEP = ("Fpz-Cz", "Pz-Oz")


@dataclass(frozen=True)
class Profile:
    """How a window is cut into patches: there are two published conventions (spec 3.1)."""

    stride: int
    tail: str


PROFILES: Mapping[str, Profile] = {"official": Profile(64, "floor"), "braindecode": Profile(32, "pad")}


@dataclass(frozen=True)
class Downstream:
    """A published downstream task (spec section 7).

    Parameters
    ----------
    rows : tuple of str
        Channels that come in.
    channels : tuple of str
        The encoder's channels, after the channel step.
    stride : int
        Of its patches; the tail rule is ``floor``.
    n_patches : int
    chan_proj_type, head : str
        Kind of its channel step and of its head.
    classes : tuple of str
        What its outputs mean.
    prepare : tuple of Step
        From a recording to what enters the original's forward pass.
    forward : tuple of Step
        What that forward pass does before its channel step.
    title : str
    """

    rows: tuple[str, ...]
    channels: tuple[str, ...]
    stride: int
    n_patches: int
    chan_proj_type: str
    head: str
    classes: tuple[str, ...]
    prepare: tuple[Step, ...]
    forward: tuple[Step, ...]
    title: str


def _step(name: str, source: str, **options: object) -> Step:
    return Step(name, options, f"spec eegpt.md, section 7: {source}")


_AVERAGE = _step("average_reference", "mean over the channels present", over="all")


def _bcic(rows: tuple[str, ...], *standardise: Step) -> tuple[Step, ...]:
    return (
        _step("pick", f"{len(rows)} EEG channels", names=rows),
        _step("resample", "250 Hz", rate=250.0),
        _step("filter", "MNE filter 0-38 iir: a low-pass", h_freq=38.0, method="iir"),
        _step("cut", "0 to 4 s at 250 Hz, both ends included", samples=1001),
        _step("scale", "microvolts", unit="uV"),
        *standardise,
        _step("align", "Euclidean alignment per session"),
        _AVERAGE,
        _step("resample", "nearest to 1024", samples=1024, method="nearest"),
    )


def _tuh(seconds: float, what: str) -> tuple[Step, ...]:
    return (
        _step("pick", "23 channels in this order", names=TUH),
        _step("filter", "0.1-75 Hz", l_freq=0.1, h_freq=75.0),
        _step("notch", "50 Hz", freqs=[50.0]),
        _step("resample", "200 Hz, never 256", rate=200.0),
        _step("scale", "microvolts", unit="uV"),
        _step("cut", what, seconds=seconds),
        _step("divide", "by 100", by=100.0),
    )


DOWNSTREAM: Mapping[str, Downstream] = {
    "bcic2a": Downstream(
        BCIC2A, CANONICAL, 64, 16, "conv1d_constraint", "probe", ("left", "right", "feet", "tongue"),
        _bcic(BCIC2A, _step("standardise", "moving standardisation per trial", factor=1e-3, eps=1e-4)),
        (), "motor imagery, four classes",
    ),
    "bcic2b": Downstream(
        # Four outputs although there are two classes: the softmax goes over all four.
        ("C3", "CZ", "C4"), tuple("C5 C3 C1 CZ C2 C4 C6".split()), 64, 16, "conv1d_constraint", "probe",
        ("left", "right", "unused 3", "unused 4"),
        _bcic(("C3", "CZ", "C4")),
        (_step("divide", "the forward pass divides by 10", by=10.0),), "motor imagery, left or right",
    ),
    "physiop300": Downstream(
        BIOSEMI64, PRETRAINED, 32, 15, "scale", "probe", ("non-target", "target"),
        (
            _step("pick", "64 channels", names=BIOSEMI64),
            _step("cut", "epochs -0.1 to 2 s", seconds=2.1),
            Step("baseline", {"first": 0.1}, "spec preprocessing.md, 6.4: MNE's default baseline (None, 0)"),
            _step("filter", "MNE filter 0-120 iir on epochs", h_freq=120.0, method="iir"),
            _step("resample", "256 Hz", rate=256.0),
            _step("scale", "volts * 1e3", unit="mV"),
        ),
        (_AVERAGE, _step("pick", "58 of 64", names=PRETRAINED)), "P300 speller",
    ),
    "kaggleern": Downstream(
        CANONICAL, CANONICAL, 32, 15, "conv1d_constraint", "probe", ("error", "correct"),
        (
            _step("pick", "every recorded channel"),
            _step("resample", "200 Hz", rate=200.0),
            _step("cut", "trial from -0.7 s, 2 s", samples=400),
            _step("min_max", "whole trial, all recorded channels, to -1 ... 1"),
            _step("pick", "19 of them", names=CANONICAL),
        ),
        (
            _step("divide", "the forward pass divides by 10", by=10.0),
            _AVERAGE,
            _step("resample", "nearest to 512", samples=512, method="nearest"),
        ),
        "error potentials",
    ),
    "sleepedf": Downstream(
        SLEEP, tuple("F3 F4 C3 C4 P3 P4 FPZ FZ CZ CPZ PZ POZ OZ".split()), 64, 120, "conv1d_constraint", "sleep",
        ("W", "N1", "N2", "N3", "R"),
        (
            _step("derive", "2 channels, as recorded", rows=SLEEP),
            _step("filter", "low-pass 30 Hz", h_freq=30.0),
            _step("resample", "100 Hz", rate=100.0),
            _step("scale", "microvolts", unit="uV"),
            _step("cut", "30 s", seconds=30.0),
            _step("zscore", "per channel per window", over="window"),
        ),
        (_AVERAGE, _step("resample", "nearest, 3000 to 7680", samples=7680, method="nearest")), "sleep stages",
    ),
    "tuab": Downstream(
        TUH, WITH_FPZ, 64, 31, "stem", "flat", ("abnormal",), _tuh(10.0, "10 s"), (), "abnormal EEG (TUAB)",
    ),
    "tuev": Downstream(
        TUH, WITH_FPZ, 64, 15, "stem", "flat", ("spsw", "gped", "pled", "eyem", "artf", "bckg"),
        _tuh(5.0, "5 s: 2 s before the 1 s event, 2 s after"), (), "events (TUEV)",
    ),
}  # fmt: skip

_PRETRAINING = Recipe(
    "eegpt",
    (
        Step("pick", {"names": VOCABULARY, "missing": "any"}, "spec eegpt.md, section 4: channel ids by name"),
        Step("average_reference", {"over": "good"}, "spec eegpt.md, section 5: over the selected channels"),
        Step("resample", {"rate": 256.0}, "spec eegpt.md, section 5: pre-training's rate, properly resampled"),
        Step("scale", {"unit": "mV"}, "spec eegpt.md, section 5: millivolts"),
        Step("cut", {"seconds": 4.0}, "spec eegpt.md, section 5: 4 s windows"),
    ),
    "as in pre-training: any of 62 electrodes, common average, mV, 4 s windows",
)

RECIPES = (
    _PRETRAINING,
    *(Recipe(f"eegpt-{name}", (*task.prepare, *task.forward), task.title) for name, task in DOWNSTREAM.items()),
)


def _variant(name: str, published: Published | None, time_depth: int, parameters: int, *trained: str) -> Variant:
    return Variant(
        name,
        {
            "patch_size": 64,
            "embed_dim": 512,
            "embed_num": 4,
            "depth": 8,
            "num_heads": 8,
            "mlp_ratio": 4.0,
            "n_chan_embeddings": 62,
            "predictor_depth": time_depth,
            "reconstructor_depth": time_depth,
        },
        published,
        parameters,
        trained,
    )


SPEC = ModelSpec(
    name="eegpt",
    title="EEGPT",
    paper="Wang et al., EEGPT: Pretrained Transformer for Universal and Reliable Representation of EEG Signals, NeurIPS 2024",
    summary="any of 62 electrodes by name, 4 s windows at 256 Hz, 4 summary tokens per patch of 64 samples",
    variants=(
        _variant(
            "base",
            Published(
                repos=("braindecode/eegpt-pretrained",),
                files=("model.safetensors",),
                licence="BSD-3-Clause, says its model card; the official repository is Apache-2.0",
                size=101_160_080,
                sha256="fb34c20609983324679b9534f9d17a2289a232d0276dd2b8b7d5b088f876f621",
            ),
            0,
            25_287_168,
            "embed",
            "attention",
        ),
        _variant("official", None, 8, 101_869_664, "embed", "attention", "reconstruct"),
    ),
    recipes=RECIPES,
    tasks=("embed", "reconstruct", "classify", "attention"),
    axes=("window", "patch", "token", "feature"),
    poolings={
        "window": Pooling(mean=("patch",), flatten=("token",)),
        "mean": Pooling(mean=("patch", "token")),
        "patches": Pooling(flatten=("token",)),
        "tokens": Pooling(),
    },
    vocabulary=dict.fromkeys(("embed", "reconstruct", "attention"), VOCABULARY + OLD_NAMES),
    unseen=dict.fromkeys(("embed", "reconstruct", "attention"), UNSEEN),
    amplitude=Amplitude("spec eegpt.md, section 5: values of about 0.01 to 0.1 mV", std_uv=(10.0, 100.0)),
    settings=tuple("profile patch_stride tail channels channel_ids interpolation interpolation_frame".split()),
    finetuned=tuple(f"eegpt-{name}" for name in DOWNSTREAM),
    electrodes={"pre-training": PRETRAINED, "canonical 19": CANONICAL},
)
