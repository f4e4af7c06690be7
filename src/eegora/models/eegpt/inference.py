"""From windows to EEGPT's inputs and from inputs to its answers: plain functions, gathered in CODE at the foot.

Knows names, masks and shapes (spec sections 3, 4, 6, 8); leaves devices, batches and records to `eegora.model`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from eegora.errors import ChannelError, RecordingError, UsageError
from eegora.layers.trace import Note, ignore
from eegora.models.eegpt import checkpoint, folds
from eegora.models.eegpt.heads import TimeTail
from eegora.models.eegpt.network import Eegpt, patches_of
from eegora.models.eegpt.settings import n_patches_of_head, own_input, settings, stem_of
from eegora.models.eegpt.spec import VOCABULARY
from eegora.recordings.channels import alias, nearest_names, parse_label
from eegora.spec import Config, Inputs, ModelCode, Tensors
from eegora.windows import Windows

ROW = {name: i for i, name in enumerate(VOCABULARY)}
NORM_EPS = 1e-5  # of the normalised targets (spec section 8)


# ── from windows to inputs ──────────────────────────────────────────────────────────────────────────────────────────


def normalised(name: str) -> str | None:
    """Return a channel's name in the vocabulary's spelling (``EEG Fp1-REF`` → ``FP1``, ``T3`` → ``T7``), or None."""
    for candidate in (name.strip().strip(".").upper(), (parse_label(name).name or "").upper()):
        for spelled in (candidate, alias(candidate)):
            if spelled in ROW:
                return spelled
    return None


def channel_ids(names: Sequence[str], policy: str = "names", n_rows: int = len(VOCABULARY)) -> list[int]:
    """Return rows of the channel table.

    Parameters
    ----------
    names : sequence of str
    policy : str
        ``names``: by name, an unknown one is an error. ``position``: an unknown one takes its position in the list,
        which is another electrode's row. ``sequential``: 0, 1, 2 …, whatever the names.
    n_rows : int
        Of the table.

    Raises
    ------
    ChannelError
        ``outside_vocabulary`` with the nearest names; ``too_many_channels``.
    """
    spelled = [normalised(name) for name in names]
    unknown = [name for name, known in zip(names, spelled, strict=True) if known is None]
    if unknown and policy == "names":
        near = " ".join(nearest_names(unknown[0], VOCABULARY))
        raise ChannelError(
            "outside_vocabulary",
            f"EEGPT has no row for {', '.join(unknown)}; {unknown[0]} is nearest to {near}",
            hint="--unknown drop leaves such channels out",
        )
    ids = [
        i if policy == "sequential" or known is None else ROW[known] for i, known in enumerate(spelled)
    ]  # fmt: skip
    if max(ids, default=0) >= n_rows:
        raise ChannelError("too_many_channels", f"{len(ids)} channels came, the channel table has {n_rows} rows")
    return ids


def pack(windows: Windows, config: Config) -> Inputs:
    """Make the network's inputs.

    Returns
    -------
    dict of str to Tensor
        ``x`` (B, C, T); ``ids`` (1, C'): rows of the channel table behind the channel step. Where they apply: ``matrix``
        (1, 62, C), an interpolation; ``place`` (B, N), equal where overlapping windows share a patch; ``hidden``
        (1, C, N), patches that a reconstruction must not see; ``cut`` (1, stride, 2 if the tail is padded, else 1), of
        which only the shape counts, because a value would have to be read back.

    Raises
    ------
    ChannelError
        ``outside_vocabulary``, ``wrong_channels``, ``too_many_channels``, ``no_positions``.
    RecordingError
        ``bad_window`` if the windows are too short, or not what the head was made for.
    """
    chosen = settings(config)
    inputs = {"x": torch.from_numpy(np.ascontiguousarray(windows.data, dtype=np.float32))}
    names: Sequence[str] = windows.ch_names
    if config.get("chan_proj_type", "none") != "none":
        names = _behind_step(windows, config, chosen.channels)
    elif mode := config.get("interpolation"):
        from eegora.models.eegpt.interpolation import interpolation_matrix

        spelled = [normalised(name) or name for name in names]
        matrix = interpolation_matrix(spelled, frame=config.get("interpolation_frame", "montage"), mode=mode)
        inputs["matrix"], names = torch.from_numpy(matrix)[None], VOCABULARY
    policy = config.get("channel_ids", "names")
    inputs["ids"] = torch.tensor([channel_ids(names, policy, config["n_chan_embeddings"])])
    inputs["cut"] = torch.zeros(1, chosen.stride, 1 + (chosen.tail == "pad"), dtype=torch.bool)
    n_patches = _n_patches(windows, config)
    if config.get("chan_proj_type") != "stem":  # a stem's filter sees where a window ends
        place = places(windows, config["patch_size"], chosen.stride, n_patches)
        if place is not None:
            inputs["place"] = torch.from_numpy(place)
    if windows.missing is not None:
        inputs["hidden"] = _hidden(windows, config["patch_size"])
    return inputs


def _behind_step(windows: Windows, config: Config, channels: tuple[str, ...]) -> tuple[str, ...]:
    """Check that as many channels come in as the step takes, and name those that it makes."""
    n_in, n_out = config["n_chans"], config["n_chans_target"]
    if len(windows.ch_names) != n_in:
        task = config.get("recipe")
        raise ChannelError(
            "wrong_channels",
            f"{windows.name}: {len(windows.ch_names)} channels came, the checkpoint's channel step takes {n_in}",
            hint=f"--recipe eegpt-{task}" if task else "a recipe that picks the channels it was trained with",
        )
    if len(channels) != n_out:
        raise UsageError(
            "bad_option",
            f"the checkpoint's channel step makes {n_out} channels, {len(channels)} names for them are known",
            hint="give their names in config, as channels",
        )
    return channels


def _n_patches(windows: Windows, config: Config) -> int:
    """Return how many patches a window gives, and refuse windows that the encoder or the head cannot take."""
    chosen, patch = settings(config), config["patch_size"]
    n_times = windows.data.shape[-1]
    if config.get("chan_proj_type") == "stem" and stem_of(config) == "tuab":  # its filter is not padded
        n_times -= config["n_taps"] - 1
    if n_times < patch:
        raise RecordingError(
            "bad_window",
            f"{windows.name}: windows of {windows.data.shape[-1]} samples; wanted at least {patch}, one patch",
            hint="set `seconds` of the recipe's cut step",
        )
    whole, rest = divmod(n_times - patch, chosen.stride)
    n_patches = whole + 1 + (chosen.tail == "pad" and rest > 0)
    wanted = n_patches_of_head(config)
    if wanted not in (None, n_patches):
        raise RecordingError(
            "bad_window",
            f"{windows.name}: windows of {n_times} samples give {n_patches} patches (stride {chosen.stride}, tail"
            f" {chosen.tail}), the checkpoint's head takes {wanted}",
            hint="set `seconds` of the recipe's cut step, or profile, patch_stride and tail in config",
        )
    return int(n_patches)


def places(windows: Windows, patch: int, stride: int, n_patches: int) -> NDArray[np.int64] | None:
    """Number the patches of overlapping windows so that equal ones have equal numbers (spec section 12.2).

    Two windows share patches if one begins a whole number of strides after the other and their common samples are
    equal bit for bit: whatever depends on the window, such as a z-score, shows there.

    Returns
    -------
    ndarray of int64, shape (n_windows, n_patches), or None
        None if nothing is shared.
    """
    data = windows.data
    n_times = data.shape[-1]
    starts = np.rint(windows.onsets * windows.sfreq).astype(np.int64)
    first, far, shared = [0], n_patches * stride + n_times, False
    for i, step in enumerate(np.diff(starts)):
        common = 0 < step <= n_times - patch and step % stride == 0
        same = bool(common) and np.array_equal(data[i, :, step:], data[i + 1, :, : n_times - step])
        shared |= same
        # A window that shares nothing with the one before it begins where nobody else is.
        first.append(first[-1] + (int(step) if same else far))
    if not shared:
        return None
    place = np.array(first)[:, None] + np.arange(n_patches) * stride
    over = np.arange(n_patches) * stride + patch > n_times
    # Patches filled up with zeros belong to their window alone: negative numbers, each once.
    return np.where(over, -1 - np.arange(place.size).reshape(place.shape), place)


def _hidden(windows: Windows, patch: int) -> Tensor:
    """Return which patches (1, C, N) hold missing cells; the graph takes one mask for all windows."""
    assert windows.missing is not None
    cells = np.broadcast_to(windows.missing, windows.data.shape)
    n_patches = cells.shape[-1] // patch
    hidden = np.asarray(cells[..., : n_patches * patch].reshape(*cells.shape[:2], n_patches, patch).any(-1))
    if (hidden != hidden[:1]).any():
        raise UsageError(
            "bad_mask",
            f"{windows.name}: the windows have different masks; wanted one for all",
            hint="run them one by one",
        )
    return torch.from_numpy(hidden[:1])


# ── from inputs to answers ──────────────────────────────────────────────────────────────────────────────────────────


def encode(eegpt: Eegpt, inputs: Inputs, note: Note = ignore) -> Tensor:
    """Return summary tokens (B, N, E, D).

    ``mask_x`` (1, mN, mC) picks patches and channels by n · C + c, one patch a row (spec 3.6); ``mask_t`` (1, k) picks
    rows of the result (3.7).
    """
    x = inputs["x"]
    if "matrix" in inputs:
        x = inputs["matrix"].to(x.dtype) @ x
    if eegpt.channel_step is not None:
        x = eegpt.channel_step(x)
    note("encoder_in", x)
    _, stride, padded = inputs["cut"].shape if "cut" in inputs else (1, eegpt.stride, 1 + (eegpt.tail == "pad"))
    patches, ids = patches_of(x, eegpt.patch, stride, "pad" if padded == 2 else "floor"), inputs["ids"]
    if "mask_x" in inputs:
        patches, ids = seen(patches, ids, inputs["mask_x"][0])
    z = _each_once(eegpt, patches, ids, inputs["place"]) if "place" in inputs else eegpt.encoder(patches, ids, note)
    return z[:, inputs["mask_t"][0]] if "mask_t" in inputs else z


def _each_once(eegpt: Eegpt, patches: Tensor, ids: Tensor, place: Tensor) -> Tensor:
    """Encode patches that several windows share once."""
    _, which = torch.unique(place, return_inverse=True)
    one = torch.empty(int(which.max()) + 1, dtype=torch.int64, device=place.device)
    one[which.flatten()] = torch.arange(which.numel(), device=place.device)
    z: Tensor = eegpt.encoder(patches.flatten(0, 1)[one][None], ids)
    return z[0][which]


def seen(patches: Tensor, ids: Tensor, mask_x: Tensor) -> tuple[Tensor, Tensor]:
    """Return patches (B, mN, mC, P) and ids (mN, mC) that `mask_x` (mN, mC) picks from patches (B, N, C, P).

    Raises
    ------
    UsageError
        ``bad_mask`` if it does not have two axes.
    """
    if mask_x.ndim != 2:
        raise UsageError("bad_mask", f"mask_x has {mask_x.ndim} axes, wanted 2: visible patches and their channels")
    return patches.flatten(1, 2)[:, mask_x], ids[0][mask_x % patches.shape[2]]


def embed(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return summary tokens (B, N, E, D)."""
    return encode(cast(Eegpt, network), inputs)


def classify(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return logits (B, n_classes)."""
    return logits(cast(Eegpt, network), encode(cast(Eegpt, network), inputs))


def logits(eegpt: Eegpt, z: Tensor, note: Note = ignore) -> Tensor:
    """Return what the head says about tokens (B, N, E, D)."""
    head = eegpt.head
    assert head is not None
    if isinstance(head, TimeTail):
        blocks = eegpt.reconstructor if head.over == "reconstructor" else eegpt.predictor
        assert blocks is not None
        through: Tensor = head(z, blocks, note)
        return through
    out: Tensor = head(z, note)
    return out


def attention(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return how the summary tokens of the last block attend to each channel (B, N, E, C): the mean over heads.

    Attention to the summary tokens themselves is left out, so that the rest sums to 1. Whole maps: `attention_maps`.
    """
    eegpt = cast(Eegpt, network)
    n_channels, n_tokens = inputs["ids"].shape[1], len(eegpt.encoder.summary)
    maps = attention_maps(eegpt, inputs, len(eegpt.encoder.blocks) - 1)
    share: Tensor = maps.mean(2)[:, :, -n_tokens:, :n_channels]
    return share / share.sum(-1, keepdim=True)


def attention_maps(network: nn.Module, inputs: Inputs, block: int) -> Tensor:
    """Return softmax weights of one block (B, N, heads, L, L), channels first, summary tokens last (spec 3.9)."""
    kept: Tensors = {}

    def note(name: str, value: Tensor) -> None:
        if name == f"block{block}_weights":
            kept["weights"] = value

    plain = {name: value for name, value in inputs.items() if name != "place"}
    z = encode(cast(Eegpt, network), plain, note)
    weights: Tensor = kept["weights"].unflatten(0, z.shape[:2])
    return weights


def reconstruct(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return what predictor and reconstructor make of every patch, from those that are not hidden (B, C, T).

    The graph gives each patch normalised, its level and size are not recoverable (spec section 8): to be drawn over the
    recording, each is put at the level and size that the recording has there. This shows shapes; it repairs no channel.

    Raises
    ------
    RecordingError
        ``bad_window`` if the window is no whole number of patches.
    UsageError
        ``bad_mask`` if everything is hidden.
    """
    eegpt, x, ids = cast(Eegpt, network), inputs["x"], inputs["ids"]
    if x.shape[-1] % eegpt.patch:
        raise RecordingError(
            "bad_window",
            f"windows of {x.shape[-1]} samples; a reconstruction wants a multiple of {eegpt.patch}",
            hint="set `samples` or `seconds` of the recipe's cut step",
        )
    patches = patches_of(x, eegpt.patch, eegpt.patch, "floor")
    n_patches, n_channels = patches.shape[1:3]
    hidden = inputs["hidden"][0].T if "hidden" in inputs else torch.zeros(n_patches, n_channels, device=x.device)
    context, where = _context(eegpt, patches, ids, hidden == 0)
    _, comb = eegpt.predict(context, where, n_patches)
    cells = torch.arange(n_patches * n_channels, device=x.device)
    shapes = eegpt.waveforms(comb, cells // n_channels, ids[0][cells % n_channels]).view_as(patches)
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True, correction=0)
    drawn: Tensor = shapes * (variance + NORM_EPS).sqrt() + mean
    return drawn.transpose(1, 2).flatten(2)


def _context(eegpt: Eegpt, patches: Tensor, ids: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Encode what is visible (N, C): the tokens (B, mN, E, D) of patches with any visible channel, and which they are.

    Patches are independent, so those with equally many visible channels go together.
    """
    assert eegpt.online is not None
    counts = visible.sum(1)
    parts, where = [], []
    for count in counts.unique():
        if count == 0:
            continue
        rows = torch.nonzero(counts == count).flatten()
        columns = torch.nonzero(visible[rows])[:, 1].view(len(rows), -1)
        parts.append(eegpt.online(*seen(patches, ids, rows[:, None] * patches.shape[2] + columns)))
        where.append(rows)
    if not parts:
        raise UsageError("bad_mask", "every patch of every channel is hidden; wanted something to see")
    return torch.cat(parts, dim=1), torch.cat(where)


def masked_reconstruction(eegpt: Eegpt, x: Tensor, ids: Tensor, mask_x: Tensor, mask_y: Tensor) -> Tensors:
    """Run the pre-training graph and return its stages under the spec's names (section 8).

    Parameters
    ----------
    x : Tensor, shape (B, C, T)
    ids : Tensor of int64, shape (1, C)
    mask_x : Tensor of int64, shape (mN, mC)
        What the encoder sees, n · C + c, one patch a row.
    mask_y : Tensor of int64, shape (M,)
        Patches whose waveform is asked for, in the same numbering.
    """
    assert eegpt.online is not None
    n_channels = x.shape[1]
    patches = eegpt.patches(x)
    out = {"context": eegpt.online(*seen(patches, ids, mask_x))}
    out["pred"], out["comb"] = eegpt.predict(out["context"], mask_x[:, 0] // n_channels, patches.shape[1])
    out["recon"] = eegpt.waveforms(out["comb"], mask_y // n_channels, ids[0][mask_y % n_channels])
    out["target_raw"] = eegpt.encoder(patches, ids)
    out["target"] = F.layer_norm(out["target_raw"], out["target_raw"].shape[-1:], eps=NORM_EPS)
    asked = patches.flatten(1, 2)[:, mask_y]
    out["recon_target"] = F.layer_norm(asked, asked.shape[-1:], eps=NORM_EPS)
    out["loss_align"] = F.mse_loss(out["pred"], out["target"])[None]
    out["loss_recon"] = F.mse_loss(out["recon"], out["recon_target"])[None]
    return out


def trace(network: nn.Module, inputs: Inputs, task: str) -> Tensors:
    """Return every stage of the spec's last section under its name there; blocks run for all tokens."""
    eegpt = cast(Eegpt, network)
    stages: Tensors = {}

    if task == "reconstruct":
        mask_x, mask_y = (inputs[key][0] if key in inputs else None for key in ("mask_x", "mask_y"))
        if mask_x is None or mask_y is None:
            mask_x, mask_y = _every_other(eegpt.patches(inputs["x"]).shape[1], inputs["ids"])
        return masked_reconstruction(eegpt, inputs["x"], inputs["ids"], mask_x, mask_y)
    z = encode(eegpt, {name: value for name, value in inputs.items() if name != "place"}, stages.__setitem__)
    stages |= pooled(z)
    n_tokens, n_batch = z.shape[2], len(z)
    streams = [stages[f"block{i}"][:, -n_tokens:].unflatten(0, (n_batch, -1)) for i in range(len(eegpt.encoder.blocks))]
    stages["summary_stream"] = torch.stack(streams)
    if task == "classify" and eegpt.head is not None:
        stages["logits"] = logits(eegpt, z, stages.__setitem__)
    return stages


def _every_other(n_patches: int, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return masks that show every other patch and ask for all: what a trace without masks of its own takes."""
    cells = torch.arange(n_patches * ids.shape[1], device=ids.device)
    return cells.view(n_patches, -1)[::2], cells


def pooled(z: Tensor) -> Tensors:
    """Return the views and means of tokens (B, N, E, D) that the spec names (section 6)."""
    patches = z.flatten(2)
    return {
        "tokens": z,
        "patches": patches,
        "window": patches.mean(1),
        "mean": z.mean((1, 2)),
        "first_patch": z[:, 0],
        "last_patch": z[:, -1],
        "n_patches": torch.tensor([z.shape[1]]),
        "shape": torch.tensor(z.shape),
    }


CODE = ModelCode(
    detect=checkpoint.detect,
    layout=checkpoint.layout,
    renames=checkpoint.renames,
    fold=folds.fold,
    build=checkpoint.build,
    tasks=checkpoint.tasks,
    pack=pack,
    embed=embed,
    trace=trace,
    reconstruct=reconstruct,
    classify=classify,
    attention=attention,
    remarks=checkpoint.remarks,
    tuned=checkpoint.tuned,
    trusted=checkpoint.trusted,
    vocabulary=checkpoint.vocabulary,
    own_input=own_input,
    classes=lambda config: settings(config).classes,
)
