"""What no tensor of EEGPT tells and a user may choose: strides, tails, channel names, and which downstream task a head is of.

Knows the fields' meaning and their order of precedence; the tables behind them are in `spec.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eegora.errors import CheckpointError, UsageError
from eegora.models.eegpt.spec import CANONICAL, DOWNSTREAM, PROFILES
from eegora.spec import Config

# Every field that a user may set besides sizes; None: as the task or the profile says.
DEFAULTS: Mapping[str, Any] = {
    "profile": "official",  # official: stride 64, floor; braindecode: stride 32, pad
    "patch_stride": None,
    "tail": None,
    "channels": None,  # names of the encoder's channels behind a channel step
    "channel_ids": "names",  # or "position" for unknown names, or "sequential" for all: as the originals did
    "interpolation": None,  # "always" or "name_match": the 62 electrodes from those there are
    "interpolation_frame": "montage",  # or "head", to repeat a known mistake
    "use_out_proj": False,
    "pooling": "mean",
    "n_chans": 0,
    "n_chans_target": 0,
    "n_taps": 0,
    "n_outputs": 0,
    "head_width": 0,
    "probe_width": 0,
    "decoder_depth": 0,
    "decoder_inner": 0,
}
CHOICES = {
    "profile": tuple(PROFILES),
    "tail": (None, "floor", "pad"),
    "channel_ids": ("names", "position", "sequential"),
    "interpolation": (None, "always", "name_match"),
    "interpolation_frame": ("montage", "head"),
    "pooling": ("mean", "cls"),
    "recipe": (None, *DOWNSTREAM),
}
STEMS = {15: "tuab", 55: "tuev"}  # taps of the filters → whose stem it is


@dataclass(frozen=True)
class Settings:
    """Choices, resolved.

    Parameters
    ----------
    stride : int
        Samples from patch to patch.
    tail : str
        ``floor`` or ``pad``.
    channels : tuple of str
        The encoder's channels behind a channel step; empty without one.
    classes : tuple of str
        What the outputs mean; empty if nobody knows.
    """

    stride: int
    tail: str
    channels: tuple[str, ...]
    classes: tuple[str, ...]


def settings(config: Config) -> Settings:
    """Resolve choices: a field that is set, else the downstream task's, else the profile's.

    Raises
    ------
    UsageError
        ``bad_option`` with the choices there are.
    """
    for name, choices in CHOICES.items():
        if name in config and config[name] not in choices:
            known = ", ".join("null" if choice is None else choice for choice in choices)
            raise UsageError("bad_option", f"{name} = {config[name]!r} came, wanted one of {known}")
    task = DOWNSTREAM.get(config.get("recipe") or "")
    profile = PROFILES[config.get("profile") or "official"]
    stride = config.get("patch_stride") or (task.stride if task else profile.stride)
    tail = config.get("tail") or ("floor" if task else profile.tail)
    if isinstance(stride, bool) or not isinstance(stride, int) or stride < 1:
        raise UsageError("bad_option", f"patch_stride = {stride!r} came, wanted a whole number of samples")
    channels = config.get("channels") or (task.channels if task else ())
    if not channels and config.get("n_chans_target") == len(CANONICAL):
        channels = CANONICAL
    behind_step = config.get("chan_proj_type", "none") != "none"
    return Settings(stride, tail, tuple(channels) if behind_step else (), task.classes if task else ())


def recipe_of(config: Config) -> str | None:
    """Name the downstream task whose shapes a checkpoint has, or None."""
    for name, task in DOWNSTREAM.items():
        n_in = len(task.channels if task.chan_proj_type == "scale" else task.rows)
        wanted = (task.chan_proj_type, task.head, n_in, len(task.channels), len(task.classes))
        found = (config.get(key) for key in ("chan_proj_type", "head", "n_chans", "n_chans_target", "n_outputs"))
        if wanted == tuple(found) and n_patches_of_head(config) in (None, task.n_patches):
            return name
    return None


def stem_of(config: Config) -> str:
    """Say whose stem a checkpoint has: ``tuab`` (A) or ``tuev`` (B).

    Raises
    ------
    CheckpointError
        ``unknown_stem``.
    """
    recipe = config.get("recipe") if config.get("recipe") in STEMS.values() else STEMS.get(config["n_taps"])
    if recipe is None:
        known = ", ".join(f"{taps} ({name})" for taps, name in STEMS.items())
        raise CheckpointError(
            "unknown_stem",
            f"the stem's filters have {config['n_taps']} taps; known are {known}",
            hint="give recipe in config: tuab or tuev",
        )
    return recipe


def n_patches_of_head(config: Config) -> int | None:
    """Return how many patches a head takes, or None if any number."""
    if config.get("head") == "probe":
        return int(config["head_width"] // config["probe_width"])
    if config.get("head") == "flat":
        return int(config["head_width"] // (config["embed_num"] * config["embed_dim"]))
    return None


def own_input(config: Config) -> tuple[int | None, int | None]:
    """Return how many channels and samples a checkpoint's channel step and head take; None where any number will do."""
    n_channels = config["n_chans"] if config.get("chan_proj_type", "none") != "none" else None
    n_patches = n_patches_of_head(config)
    if n_patches is None:
        return n_channels, None
    lost = config["n_taps"] - 1 if config.get("chan_proj_type") == "stem" and stem_of(config) == "tuab" else 0
    return n_channels, config["patch_size"] + (n_patches - 1) * settings(config).stride + lost
