"""EEGPT's checkpoints: the published layout, the other spellings of it, and what their shapes tell.

Knows tensor names (spec sections 2, 7, 9); leaves files to `eegora.checkpoints`, algebra to `folds.py`, choices to `settings.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import nn

from eegora.checkpoints.rename import Rename
from eegora.errors import CheckpointError
from eegora.models.eegpt.heads import ChannelMix, ChannelScale, FlatHead, Probe, SleepHead, Stem, TimeTail
from eegora.models.eegpt.network import Eegpt
from eegora.models.eegpt.settings import DEFAULTS, recipe_of, settings, stem_of
from eegora.models.eegpt.spec import OLD_NAMES, VOCABULARY
from eegora.spec import Config, Layout, Shapes, Stored

ENCODER = "target_encoder"  # the averaged copy, which every downstream task uses; ``encoder`` is the online one

RENAMES = (
    Rename(r"(?:model|module)\.(.+)", r"\1", "prefix of training frameworks"),
    Rename(r"(?:.+\.)?chans_id", None, "channel ids come from names: the stored ones may be another montage's"),
    Rename(r".+\.num_batches_tracked", None, "counts training steps"),
    Rename(r"(?:loss_fn|loss|criterion)(?:\..+)?", None, "the training loss"),
    Rename(r"chan_proj\.proj\.(?:parametrizations\.weight\.original|weight)", "chan_conv.weight", "another library's name"),
    Rename(r"chan_proj\.proj\.bias", "chan_conv.bias", "another library's name"),
    Rename(r"final_layer\.(?:1\.)?probe([12])\.parametrizations\.weight\.original", r"linear_probe\1.weight", "the same"),
    Rename(r"final_layer\.(?:1\.)?probe([12])\.(weight|bias)", r"linear_probe\1.\2", "the same"),
)  # fmt: skip
HEAD_PARTS = ("linear_probe", "head.", "decoder.")
# Fields that no tensor tells, so that a config.json may.
UNTOLD = ("num_heads", "profile", "patch_stride", "tail", "channels", "recipe", "use_out_proj", "pooling")
BARE = Rename(r"((?:summary_token|patch_embed|chan_embed|blocks|norm)(?:\..+)?)", rf"{ENCODER}.\1", "a bare encoder")
SINGLE = Rename(r"chan_conv\.0\.(weight|bias)", r"chan_conv.\1", "a sequence of one")
UNUSED = Rename(r"(?:encoder|predictor|reconstructor|fc_norm|norm)\..+", None, "not used by a head behind a stem")
NO_STEP = Rename(r"chan_conv\..+|chan_scale", None, "chan_proj_type 'none' was asked for")
NO_HEAD = Rename(r"(?:linear_probe[12]|decoder|head|norm|fc_norm)\..+|.*cls_token", None, "head 'none' was asked for")


def renames(keys: Collection[str], fields: Config) -> tuple[Rename, ...]:
    """Return the rules for a file with these keys; a part that the user asked to leave out is dropped."""
    rules = list(RENAMES)
    if not any(f"{ENCODER}." in key for key in keys):
        rules.append(BARE)
    rules.append(UNUSED if any(key.endswith("chan_conv.3.weight") for key in keys) else SINGLE)
    if fields.get("chan_proj_type") == "none":
        rules.append(NO_STEP)
    if fields.get("head") == "none":
        rules.append(NO_HEAD)
    return tuple(rules)


def detect(shapes: Shapes) -> dict[str, Any]:
    """Read the configuration off the tensors' shapes (spec section 2).

    The number of attention heads does not show: it comes from the table of sizes that were trained.

    Raises
    ------
    CheckpointError
        ``not_this_model`` if the tensors that tell are absent.
    """
    try:
        patch = shapes[f"{ENCODER}.patch_embed.proj.weight"]
        _, n_tokens, width = shapes[f"{ENCODER}.summary_token"]
        hidden = shapes[f"{ENCODER}.blocks.0.mlp.fc1.weight"][0]
        n_names = shapes[f"{ENCODER}.chan_embed.weight"][0]
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(
            "not_this_model",
            f"the file has no EEGPT target encoder ({error} is missing)",
            hint="`eegora models` lists the models; check --model and --checkpoint",
        ) from error
    config: dict[str, Any] = dict(DEFAULTS) | {
        "patch_size": patch[-1],
        "normalised_patches": len(patch) == 2,
        "embed_dim": width,
        "embed_num": n_tokens,
        "depth": _depth(shapes, f"{ENCODER}.blocks."),
        "num_heads": 8 if width == 512 else 4 if width <= 256 else None,
        "mlp_ratio": hidden / width,
        "n_chan_embeddings": n_names,
        "online": any(key.startswith("encoder.") for key in shapes),
        "predictor_depth": _depth(shapes, "predictor.predictor_blocks."),
        "reconstructor_depth": _depth(shapes, "reconstructor.reconstructor_blocks."),
        "cls_tokens": [part for part in ("predictor", "reconstructor") if f"{part}.cls_token" in shapes],
    }
    for part in config["cls_tokens"] or ("predictor",):
        if freqs := shapes.get(f"{part}.time_embed.freqs"):
            config["n_freqs"] = freqs[0]
    config |= _detect_step(shapes) | _detect_head(shapes, width)
    return config | {"recipe": recipe_of(config)}


def trusted(doubtful: Config, detected: Config) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Say which fields of a config.json that came with a checkpoint are to be believed.

    Sizes are as the tensors tell. A stride matters to a head, which was trained with it; an encoder alone goes by the
    profile, because the published configurations disagree (spec sections 3.1 and 5).
    """
    believed = {key: value for key, value in doubtful.items() if key in UNTOLD}
    if "patch_stride" in believed and detected["head"] == "none":
        del believed["patch_stride"]
    odd = [
        f"{key} {doubtful[key]!r} (the tensors: {detected[key]!r})"
        for key in doubtful
        if key in detected and key not in UNTOLD and doubtful[key] != detected[key]
    ]
    return believed, (f"not believed of config.json: {', '.join(odd)}",) if odd else ()


def _depth(shapes: Shapes, prefix: str) -> int:
    return len({key[len(prefix) :].partition(".")[0] for key in shapes if key.startswith(prefix)})


def _detect_step(shapes: Shapes) -> dict[str, Any]:
    """Tell the channel step: stems are 4-D, max-norm convolutions 3-D, plain linear layers 2-D."""
    if scale := shapes.get("chan_scale"):
        return {"chan_proj_type": "scale", "n_chans": scale[1], "n_chans_target": scale[1]}
    if stem := shapes.get("chan_conv.0.weight"):
        taps = shapes.get("chan_conv.3.weight", (0,))[-1]
        return {"chan_proj_type": "stem", "n_chans": stem[1], "n_chans_target": stem[0], "n_taps": taps}
    if mix := shapes.get("chan_conv.weight"):
        kind = "conv1d_constraint" if len(mix) == 3 else "linear"
        return {"chan_proj_type": kind, "n_chans": mix[1], "n_chans_target": mix[0]}
    return {"chan_proj_type": "none"}


def _detect_head(shapes: Shapes, width: int) -> dict[str, Any]:
    """Tell the head, and what it takes and gives."""
    if probe := shapes.get("linear_probe1.weight"):
        n_classes, n_in = shapes.get("linear_probe2.weight", (0, 0))
        depth = _depth(shapes, "decoder.layers.")
        inner = shapes.get("decoder.layers.0.linear1.weight", (0,))[0]
        found = {"probe_width": probe[0], "n_outputs": n_classes, "head_width": n_in}
        return found | (
            {"head": "sleep", "decoder_depth": depth, "decoder_inner": inner} if depth else {"head": "probe"}
        )
    if flat := shapes.get("head.1.weight"):
        return {"head": "flat", "n_outputs": flat[0], "head_width": flat[1]}
    if tail := shapes.get("head.weight"):
        which = "reconstructor" if "reconstructor.cls_token" in shapes else "predictor"
        return {"head": which, "n_outputs": tail[0], "head_width": tail[1], "use_out_proj": tail[1] != width}
    return {"head": "none"}


def layout(config: Config) -> Layout:
    """List every tensor of the published layout with its shape and the rule that fills a synthetic one."""
    n_predictor, n_reconstructor = config.get("predictor_depth", 0), config.get("reconstructor_depth", 0)
    width, patch, n_tokens = config["embed_dim"], config["patch_size"], config["embed_num"]
    out = _encoder(ENCODER, config)
    if config.get("online", bool(n_predictor)):
        out |= _encoder("encoder", config)
    if n_predictor:
        out |= {"predictor.mask_token": ((1, 1, n_tokens, width), "token")}
        out |= _time_blocks("predictor", config, n_predictor, width)
    if n_reconstructor:
        out |= {"reconstructor.mask_token": ((1, 1, width), "token")}
        out |= {"reconstructor.chan_embed.weight": ((config["n_chan_embeddings"], width), "token")}
        out |= _time_blocks("reconstructor", config, n_reconstructor, patch)
    return out | _channel_step(config) | _head(config)


def _pair(key: str, shape: tuple[int, ...], rule: str = "matrix") -> Layout:
    return {f"{key}.weight": (shape, rule), f"{key}.bias": (shape[:1], "bias")}


def _blocks(key: str, config: Config, depth: int) -> Layout:
    width = config["embed_dim"]
    hidden = round(config["mlp_ratio"] * width)
    out: Layout = {}
    for i in range(depth):
        out |= _pair(f"{key}.{i}.norm1", (width,), "scale") | _pair(f"{key}.{i}.norm2", (width,), "scale")
        out |= _pair(f"{key}.{i}.attn.qkv", (3 * width, width)) | _pair(f"{key}.{i}.attn.proj", (width, width))
        out |= _pair(f"{key}.{i}.mlp.fc1", (hidden, width)) | _pair(f"{key}.{i}.mlp.fc2", (width, hidden))
    return out


def _encoder(key: str, config: Config) -> Layout:
    width, patch = config["embed_dim"], config["patch_size"]
    kernel = (width, patch) if config.get("normalised_patches") else (width, 1, 1, patch)
    return (
        {
            f"{key}.summary_token": ((1, config["embed_num"], width), "token"),
            f"{key}.chan_embed.weight": ((config["n_chan_embeddings"], width), "token"),
        }
        | _pair(f"{key}.patch_embed.proj", kernel)
        | _blocks(f"{key}.blocks", config, config["depth"])
        | _pair(f"{key}.norm", (width,), "scale")
    )


def _time_blocks(part: str, config: Config, depth: int, out_width: int) -> Layout:
    width = config["embed_dim"]
    n_freqs = config.get("n_freqs", width // _n_heads(config) // 4)
    out = _pair(f"{part}.{part}_embed", (width, width)) | {f"{part}.time_embed.freqs": ((n_freqs,), "scale")}
    if part in config.get("cls_tokens", ()):
        out[f"{part}.cls_token"] = ((1, 1, width), "token")
    out |= _blocks(f"{part}.{part}_blocks", config, depth)
    return out | _pair(f"{part}.{part}_norm", (width,), "scale") | _pair(f"{part}.{part}_proj", (out_width, width))


def _channel_step(config: Config) -> Layout:
    kind, n_in, n_out = (config.get(key, 0) for key in ("chan_proj_type", "n_chans", "n_chans_target"))
    if kind == "scale":
        return {"chan_scale": ((1, n_out, 1), "scale")}
    if kind == "conv1d_constraint":
        return _pair("chan_conv", (n_out, n_in, 1))
    if kind == "linear":
        return _pair("chan_conv", (n_out, n_in))
    if kind != "stem":
        return {}
    out: Layout = {}
    for i, shape in ((0, (n_out, n_in, 1, 1)), (3, (n_out, 1, 1, config["n_taps"]))):
        out |= _pair(f"chan_conv.{i}", shape) | _pair(f"chan_conv.{i + 1}", (n_out,), "scale")
        out[f"chan_conv.{i + 1}.running_mean"] = ((n_out,), "bias")
        out[f"chan_conv.{i + 1}.running_var"] = ((n_out,), "scale")
    return out


def _head(config: Config) -> Layout:
    kind, n_classes, n_in = (config.get(key, 0) for key in ("head", "n_outputs", "head_width"))
    if kind == "flat":
        return _pair("head.1", (n_classes, n_in))
    if kind in ("predictor", "reconstructor"):
        norms = _pair("norm", (n_in,), "scale") | _pair("fc_norm", (n_in,), "scale")
        return norms | _pair("head", (n_classes, n_in))
    if kind not in ("probe", "sleep"):
        return {}
    hidden = config["probe_width"]
    wide = config["embed_num"] * config["embed_dim"]
    out = _pair("linear_probe1", (hidden, wide)) | _pair("linear_probe2", (n_classes, n_in))
    if kind == "sleep":
        out["cls_token"] = ((1, 1, hidden), "token")
        for i in range(config["decoder_depth"]):
            layer = f"decoder.layers.{i}"
            for attention in ("self_attn", "multihead_attn"):
                out[f"{layer}.{attention}.in_proj_weight"] = ((3 * hidden, hidden), "matrix")
                out[f"{layer}.{attention}.in_proj_bias"] = ((3 * hidden,), "bias")
                out |= _pair(f"{layer}.{attention}.out_proj", (hidden, hidden))
            inner = config["decoder_inner"]
            out |= _pair(f"{layer}.linear1", (inner, hidden)) | _pair(f"{layer}.linear2", (hidden, inner))
            for k in (1, 2, 3):
                out |= _pair(f"{layer}.norm{k}", (hidden,), "scale")
    return out


def _n_heads(config: Config) -> int:
    n_heads = config.get("num_heads")
    if not n_heads or config["embed_dim"] % n_heads:
        raise CheckpointError(
            "unknown_heads",
            f"the number of attention heads of this size (width {config['embed_dim']}, {n_heads or 'none'} given) is not known",
            hint="give it in config, as num_heads",
        )
    return int(n_heads)


def build(config: Config) -> Eegpt:
    """Return the network without parameters' values.

    Raises
    ------
    CheckpointError
        ``unknown_heads``.
    """
    _n_heads(config)
    chosen = settings(config)
    return Eegpt(config, chosen.stride, chosen.tail, _build_step(config), _build_head(config))


def _build_step(config: Config) -> nn.Module | None:
    kind, n_in, n_out = (config.get(key, 0) for key in ("chan_proj_type", "n_chans", "n_chans_target"))
    if kind in ("conv1d_constraint", "linear"):
        return ChannelMix(n_in, n_out)
    if kind == "scale":
        return ChannelScale(n_out)
    if kind != "stem":
        return None
    if stem_of(config) == "tuab":
        return Stem(n_in, n_out, config["n_taps"], padding=0, last_gelu=True)
    return Stem(n_in, n_out, config["n_taps"], padding=config["n_taps"] // 2, last_gelu=False)


def _build_head(config: Config) -> nn.Module | None:
    kind, n_classes, n_in = (config.get(key, 0) for key in ("head", "n_outputs", "head_width"))
    wide = config["embed_num"] * config["embed_dim"]
    if kind == "probe":
        return Probe(wide, config["probe_width"], n_in, n_classes)
    if kind == "sleep":
        return SleepHead(wide, config["probe_width"], config["decoder_depth"], config["decoder_inner"], n_classes)
    if kind == "flat":
        return FlatHead(n_in, n_classes)
    if kind in ("predictor", "reconstructor"):
        return TimeTail(kind, n_in, n_classes, config["use_out_proj"], config["pooling"])
    return None


def tasks(config: Config) -> tuple[str, ...]:
    """Say what a checkpoint of this configuration can do.

    Attention is told per channel, so a step that mixes channels leaves nothing to tell.
    """
    own_channels = config.get("chan_proj_type", "none") in ("none", "scale")
    whole = config.get("online") and config.get("predictor_depth") and config.get("reconstructor_depth")
    found = ["embed"]
    if own_channels:
        found.append("attention")
    if whole and config.get("chan_proj_type", "none") == "none":
        found.append("reconstruct")
    if config.get("head", "none") != "none":
        found.append("classify")
    return tuple(found)


def vocabulary(config: Config, task: str) -> tuple[str, ...] | None:
    """Return the only channel names that a task takes, or None if any will do.

    Names count where channels reach the encoder as they are; a channel step takes its rows by their order.
    """
    by_name = config.get("chan_proj_type", "none") == "none" and config.get("channel_ids", "names") == "names"
    return VOCABULARY + OLD_NAMES if by_name and not config.get("interpolation") else None


def remarks(tensors: Stored, config: Config) -> tuple[str, ...]:
    """Say how windows are cut into patches, which is in no checkpoint, and what the head is for."""
    chosen = settings(config)
    notes = [
        f"patches of {config['patch_size']} samples every {chosen.stride}, tail {chosen.tail}, unless a call says otherwise"
    ]
    if config.get("recipe"):
        notes.append(f"shapes of the downstream task {config['recipe']}, outputs: {', '.join(chosen.classes)}")
    return tuple(notes)


def tuned(tensors: Stored, config: Config) -> dict[str, Stored]:
    """Return what the published encoders lack: another library makes both anew, at random, around them."""
    parts = {"classification head": HEAD_PARTS, "channel step": ("chan_conv.", "chan_scale")}
    found = {name: {k: tensors[k] for k in tensors if k.startswith(keys)} for name, keys in parts.items()}
    return {name: part for name, part in found.items() if part}
