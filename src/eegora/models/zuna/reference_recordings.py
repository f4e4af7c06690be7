"""How the recording-level cases of ZUNA's reference vectors map to calls (spec zuna-pipeline.md, E); `model_output` stands for the network.

Both of the original's pipelines through the code that users run, with the options that do as it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eegora.models.zuna import electrodes, epochs, masks
from eegora.models.zuna.masks import Cells, MaskFile, Span
from eegora.models.zuna.repair import RepairOptions, repair
from eegora.models.zuna.repaired import Repaired
from eegora.models.zuna.spec import PATCH, RATE, ZUNA, ZUNA11
from eegora.models.zuna.tokens import by_channel, position_bins, to_tokens, token_indices
from eegora.recipes.line_noise import find_lines
from eegora.recipes.prepare import prepare
from eegora.recipes.recipe import Recipe, Step
from eegora.recordings.positions import head_position, mri_position
from eegora.signal import Annotation, Array, Signal
from eegora.windows import Windows

Options = Mapping[str, Any]
Tensors = Mapping[str, NDArray[Any]]


def mask(options: Options, recording: Array) -> Cells:
    """Make a mask file's content (A7)."""
    names, rate = options["channels"], options["sfreq"]
    spans, bads = _spans(options.get("bad_segments")), options.get("bad_channels") or ()
    return masks.span_mask(recording.shape[1], rate, names, spans, bads)


def _spans(segments: Sequence[Sequence[Any]] | None) -> list[Span]:
    """Read (start, stop) and (start, stop, channel)."""
    return [Span(float(s[0]), float(s[1]), tuple(s[2:])) for s in segments or ()]


def _signal(options: Options, recording: Array) -> Signal:
    place = {"head": head_position, "mri": mri_position}[options["positions"]["frame"]]
    found = [place(name) for name in options["channels"]]
    return Signal(
        data=np.asarray(recording, np.float64),
        ch_names=tuple(options["channels"]),
        ch_pos=np.array([np.full(3, np.nan) if p is None else p for p in found]),
        sfreq=float(options["sfreq"]),
        annotations=tuple(
            Annotation(a, b, text, tuple(names)) for a, b, text, names in options.get("annotations") or ()
        ),
        bads=tuple(options["bads"]),
    )


def _known(target: Any) -> Any:
    """Leave out names that have no position, as the original does without a word."""
    return tuple(n for n in target if head_position(n) is not None) if isinstance(target, list) else target


def recon(options: Options, tensors: Tensors) -> dict[str, Any]:
    """Run the second generation's pipeline (A1 to A6)."""
    signal = _signal(options, tensors["recording"])
    recipe = ZUNA11.with_options("filter", l_freq=options["highpass_hz"])
    files = [MaskFile(np.asarray(tensors["mask"], bool), signal.ch_names, True)] if "mask" in tensors else []
    if options.get("bad_segments"):
        own = masks.span_mask(signal.n_times, signal.sfreq, signal.ch_names, _spans(options["bad_segments"]))
        files.append(MaskFile(own, signal.ch_names, True))
    wanted = RepairOptions(
        bads=tuple(options.get("repair_channels") or ()),
        mask_files=tuple(files),
        use_annotations=options.get("use_fif_annotations", True),
        blank=tuple(options["drop_channels"]),
        add=_known(options["target_channel_count"]),
        seconds=options["segment_sec"],
        overlap=options["bad_token_overlap"],
        everything=True,
    ).like_original()
    wanted = replace(wanted, frame=options["added_positions"])
    order, output = options["token_order"], torch.from_numpy(np.array(tensors["model_output"]))

    def run(windows: Windows, rows: NDArray[np.intp], draw: int) -> Array:
        out = np.zeros(windows.data.shape, np.float32)
        sizes = windows.n_valid // PATCH * len(windows.ch_names)
        for i, tokens in enumerate(output.split(sizes.tolist())):
            found = by_channel(tokens[None], len(windows.ch_names), order).flatten(2)[0]
            out[i, :, : found.shape[1]] = found.numpy()
        return out[rows]

    done = repair(signal, recipe, wanted, run)
    return _inputs(done, options) | {
        "seg_mean": done.means,
        "seg_std": done.deviations,
        "full_volts": done.full,
        "hybrid_volts": done.hybrid,
        "channels": list(done.ch_names),
        "bads": list(done.bads),
        "annotations": [[a.onset, a.duration, a.text, list(a.ch_names)] for a in done.annotations],
        "positions": done.windows.ch_pos.astype(np.float32).tolist(),
    }


def _inputs(done: Repaired, options: Options) -> dict[str, Any]:
    """Return what the network gets, segments one after the other, tokens in order."""
    windows, order = done.windows, options["token_order"]
    assert windows.missing is not None
    bins = torch.from_numpy(position_bins(windows.ch_pos, options["position_bins"], options["half_range"]))[None]
    tokens, indices, dropped = [], [], []
    for i, n in enumerate(windows.n_valid):
        missing = torch.from_numpy(windows.missing[i : i + 1, :, :n])
        blank = to_tokens(missing, order).any(-1)[0]
        found = to_tokens(torch.from_numpy(np.clip(windows.data[i : i + 1, :, :n], -1, 1)), order)[0]
        tokens.append(torch.where(blank[:, None], 0.0, found))
        indices.append(token_indices(bins, torch.arange(int(n) // PATCH)[None], order)[0])
        dropped.append(blank)
    return {
        "encoder_input": torch.cat(tokens).numpy(),
        "tok_idx": torch.cat(indices).numpy(),
        "token_dropped": torch.cat(dropped).numpy(),
        "seq_lens": np.array([len(t) for t in tokens]),
    }


STAGES = {"resample": "resampled", "filter": "highpassed", "average_reference": "referenced", "notch": "notched"}


def pt(options: Options, tensors: Tensors) -> dict[str, Any]:
    """Run the first generation's pipeline (B2, then B8)."""
    signal = _signal(options, tensors["recording"])
    zeroed = tuple(options["bad_channels"] or ())
    stages: dict[str, Any] = {"notch_hz": [], "detected_bads": []}
    state: Any = signal
    bad = np.zeros(len(signal.ch_names), bool)

    def watch(step: Step, new: Signal | Windows) -> None:
        nonlocal state, bad
        if step.name in STAGES:
            stages[STAGES[step.name]] = new.data
        good = [i for i, name in enumerate(new.ch_names) if name not in signal.bads]
        if step.name == "notch" and options["apply_notch_filter"]:
            stages["notch_hz"] = list(find_lines(state.data[good], RATE))
        if step.name == "zscore":
            stages["global_mean"] = float(state.data[good].mean())
            stages["global_std"] = float(new.scale.item())
            bad = epochs.bad_channels(new.data) if options["drop_bad_channels"] else bad
            stages["detected_bads"] = [name for name, is_bad in zip(new.ch_names, bad, strict=True) if is_bad]
        if step.name == "baseline":
            stages["epochs"] = new.data
        state = new

    prepare(signal, _recipe(options, zeroed), watch=watch)
    made = stages["epochs"]
    if options["zero_out_artifacts"]:
        made = epochs.without_artefacts(made, bad)
    if options["drop_bad_epochs"]:
        made = epochs.without_bad_epochs(made)
    made = np.array(made)
    made[:, masks.rows_of(zeroed, state.ch_names, "bad_channels")] = 0.0
    added = _added(options, state)
    blank = np.zeros((len(made), len(added), made.shape[2]))
    return stages | {
        "epochs": np.concatenate([made, blank], axis=1),
        "n_epochs": len(made),
        "channels": [*state.ch_names, *(name for name, _ in added)],
        "positions": np.concatenate([state.ch_pos, *(place[None] for _, place in added)]),
        "restored_volts": epochs.to_volts(tensors["model_output"], stages["global_mean"], stages["global_std"]),
    }


def _added(options: Options, windows: Windows) -> electrodes.Added:
    target, frame = _known(options["target_channel_count"]), options["added_positions"]
    if target is None:
        return []
    if isinstance(target, int):
        return electrodes.farthest(target, windows.ch_names, windows.ch_pos, frame, ties=-1)
    return electrodes.named(target, windows.ch_names, frame, in_order=True)


def _recipe(options: Options, zeroed: tuple[str, ...]) -> Recipe:
    recipe = ZUNA.with_options("zero", names=zeroed).with_options("cut", seconds=options["epoch_duration"])
    recipe = recipe.with_options("filter", l_freq=0.5 if options["apply_highpass_filter"] else None)
    recipe = recipe.with_options("notch", detect=options["apply_notch_filter"])
    left_out = () if options["apply_average_reference"] else ("average_reference",)
    return Recipe(recipe.name, tuple(step for step in recipe.steps if step.name not in left_out), recipe.title)
