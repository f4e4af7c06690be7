"""EEG-DINO's checkpoints: four layouts, their common form, and what turns that into `network.EegDino`'s state.

Knows tensor names, configurations and algebra (spec sections 7 and 10); leaves files to `eegora.checkpoints`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch

from eegora.checkpoints.rename import Rename, take_over
from eegora.errors import CheckpointError, UsageError
from eegora.models.eeg_dino.network import EegDino
from eegora.spec import Config, Layout, Shapes, Stored, Tensors

BRANCHES = ("student", "teacher")
LAYOUTS = ("braindecode", "official", "official-finetuned", "burn")
# Neither can be read off the tensors (spec 10.1; section 7).
N_HEADS = 8
PRESETS = {"": {}, "eegdino-rs": {200: 8, 512: 16, 1024: 16}}
GROUPS = {200: 5, 512: 8, 1024: 16}
# Matrices that the burn layout stores input-first; they keep this prefix until `plain` has turned them.
TRANSPOSED = "transposed."
DEFAULTS: dict[str, Any] = {
    "patch_size": 200,
    "n_channel_embeddings": 19,
    "n_global_tokens": 1,
    "global_token_layer": 1,
    "kernels": [49, 3, 3],
    "n_taps": 5,
    "groups": None,
    "nhead": None,
    "nhead_preset": "",
    "branch": None,
    "channels": "by_name",
    "channel_order": "tueg",
    "tail": "error",
    "read": "all",
}

BUFFER = Rename(r".*relative_position_index.*", None, "a table of integers that no layer reads")
OFFICIAL_HEAD = (
    Rename(r"full_linear\.(.+)", r"final_layer.token_proj.0.\1", "the official name of the head"),
    Rename(r"channel_linear\.(.+)", r"final_layer.time_proj.0.\1", "the same"),
    Rename(r"classifier\.(.+)", r"final_layer.classifier.\1", "the same"),
)
BURN = (
    *(
        Rename(rf"(patch_embedding\.proj_in)\.{part}{k + 1}\.(.+)", rf"\1.{3 * k + i}.\2", "the port's names")
        for k in range(3)
        for i, part in enumerate(("conv", "norm"))
    ),
    Rename(r"(patch_embedding\.(?:time_encoding|spectral_proj))\.(weight|bias)", r"\1.0.\2", "the same"),
    *OFFICIAL_HEAD,
    Rename(
        r"(patch_embedding\.(?:spectral_proj\.0|channel_embedding)\.weight"
        r"|encoder_layers\.\d+\.(?:attn\.(?:qkv|proj)|mlp\.fc[12])\.weight|final_layer\..+\.weight)",
        rf"{TRANSPOSED}\1",
        "stored input-first",
    ),
)


def renames(keys: Collection[str], fields: Config) -> tuple[Rename, ...]:
    """Return the rules of the file's layout, which its names tell (spec 7); the field ``layout`` wins.

    Raises
    ------
    UsageError
        ``bad_config``: no such layout or branch, or a branch of a file that has but one.
    CheckpointError
        ``no_such_branch``.
    """
    layout, branch = fields.get("layout") or layout_of(keys), fields.get("branch")
    if layout not in LAYOUTS or branch not in (None, *BRANCHES):
        raise UsageError(
            "bad_config",
            f"layout {layout!r}, branch {branch!r}; wanted of {', '.join(LAYOUTS)} and of {', '.join(BRANCHES)}",
        )
    if layout == "official":
        return _official(keys, branch or "student")
    # A whole configuration describes the file, as after a conversion; a branch alone is a wish.
    if branch is not None and ("emb_dim" not in fields or (layout, branch) == ("burn", "teacher")):
        raise UsageError(
            "bad_config",
            f"branch {branch!r} was asked for; only official .pt files hold both, this one is of the {layout} layout",
            hint="leave the branch out, or give the official file",
        )
    if layout == "burn":
        return (BUFFER, *BURN)
    if layout == "official-finetuned":
        return (BUFFER, Rename(r"encoder\.(.+)", r"\1", "prefix of the fine-tuned model"), *OFFICIAL_HEAD)
    return (BUFFER,)


def layout_of(keys: Collection[str]) -> str:
    """Tell the layout by its names, never by shapes: a missed transpose of a square matrix would pass (spec 7)."""
    if any(key.removeprefix("module.").startswith(tuple(f"{branch}." for branch in BRANCHES)) for key in keys):
        return "official"
    if "encoder.global_tokens" in keys:
        return "official-finetuned"
    if "patch_embedding.proj_in.conv1.weight" in keys:
        return "burn"
    return "braindecode"


def _official(keys: Collection[str], branch: str) -> tuple[Rename, ...]:
    """Keep the encoder of one branch; the rest of the pre-training graph is dropped."""
    there = [b for b in BRANCHES if any(key.removeprefix("module.").startswith(f"{b}.") for key in keys)]
    if branch not in there:
        raise CheckpointError(
            "no_such_branch",
            f"the file has no {branch} branch, only {', '.join(there) or 'tensors of other names'}",
            hint=f"set branch to {there[0]!r}" if there else "give an official EEG-DINO file",
        )
    return (
        BUFFER,
        Rename(r"module\.(.+)", r"\1", "prefix of the pre-training graph"),
        Rename(rf"(?!{branch}\.).+", None, f"not the {branch} branch"),
        Rename(
            rf"{branch}\.(?!patch_embedding\.|encoder_layers\.|global_tokens$).+", None, "used in pre-training only"
        ),
    )


def build(config: Config) -> EegDino:
    """Return the network without parameters' values."""
    return EegDino(complete(config))


def tasks(config: Config) -> tuple[str, ...]:
    """Say what a checkpoint of this configuration can do."""
    return ("embed", "classify") if config.get("n_classes") else ("embed",)


def complete(config: Config) -> dict[str, Any]:
    """Return the configuration with every field set, and check those that a user may set.

    Raises
    ------
    UsageError
        ``bad_config``.
    """
    full = _with_defaults(config)
    width, conv, preset = full["emb_dim"], full["conv"], full["nhead_preset"]
    if preset not in PRESETS or (preset and full["nhead"] is not None):
        raise UsageError(
            "bad_config",
            f"nhead {full['nhead']} and nhead_preset {preset!r} came; wanted one of them, the preset of"
            f" {', '.join(filter(None, PRESETS))}",
        )
    full["nhead"] = full["nhead"] or PRESETS[preset].get(width, N_HEADS)
    groups = full["groups"] or GROUPS.get(width)
    if groups is None:
        raise UsageError(
            "bad_config",
            f"the tensors (width {width}) do not tell how many groups the GroupNorms have",
            hint='give a config.json with "groups": [g1, g2, g3]',
        )
    full["groups"] = [groups] * 3 if isinstance(groups, int) else list(groups)
    if len(full["groups"]) != 3 or any(c % g for c, g in zip(conv, full["groups"], strict=False)):
        raise UsageError("bad_config", f"groups {groups} do not divide the convolutions' channels {conv}")
    if width % full["nhead"]:
        raise UsageError("bad_config", f"{full['nhead']} heads do not divide the width {width}")
    if not 1 <= full["global_token_layer"] <= full["n_layer"]:
        raise UsageError(
            "bad_config", f"global_token_layer {full['global_token_layer']}; wanted 1 to {full['n_layer']}"
        )
    return full


def _with_defaults(config: Config) -> dict[str, Any]:
    # A config.json's n_outputs stands there even where the file has no head: what was read off the file wins.
    return DEFAULTS | {"n_classes": config.get("n_outputs", 0)} | dict(config)


def detect(shapes: Shapes) -> dict[str, Any]:
    """Read the configuration off the tensors' shapes (spec 7).

    Raises
    ------
    CheckpointError
        ``not_this_model`` if the tensors that tell are absent.
    """
    branch = next((branch for branch in BRANCHES if f"{branch}.global_tokens" in shapes), None)
    turned = any(key.startswith(TRANSPOSED) for key in shapes)
    prefix = f"{branch}." if branch else ""

    def shape(key: str) -> tuple[int, ...]:
        other = shapes.get(TRANSPOSED + key)
        return shapes[prefix + key] if other is None else other[::-1]

    try:
        _, n_global, width = shape("global_tokens")
        kernels = [shape(f"patch_embedding.proj_in.{i}.weight") for i in (0, 3, 6)]
        slots, bins = (shape(f"patch_embedding.{name}.weight")[1] for name in ("channel_embedding", "spectral_proj.0"))
        found = {
            "emb_dim": width,
            "n_layer": len(
                {key.split("encoder_layers.")[1].split(".")[0] for key in shapes if "encoder_layers." in key}
            ),
            "dim_feedforward": shape("encoder_layers.0.mlp.fc1.weight")[0],
            "conv": [kernel[0] for kernel in kernels],
            "kernels": [kernel[-1] for kernel in kernels],
            "n_taps": shape("patch_embedding.time_encoding.0.weight")[-1],
            "patch_size": 2 * (bins - 1),
            "n_channel_embeddings": slots,
            "n_global_tokens": n_global,
            "branch": "student" if turned else branch,
        }
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(
            "not_this_model",
            f"the file has no EEG-DINO encoder ({error} is missing)",
            hint="`eegora models` lists the models; check --model and --checkpoint",
        ) from error
    head = "final_layer.classifier.6.weight"
    found["n_classes"] = shape(head)[0] if {head, TRANSPOSED + head} & shapes.keys() else 0
    # Absent where names and matrices are as they should be, so that no configuration can claim it.
    return DEFAULTS | found | ({"stored": "transposed" if turned else branch} if turned or branch else {})


def layout(config: Config) -> Layout:
    """List every tensor of the common form with its shape and the rule that fills a synthetic one."""
    config = _with_defaults(config)
    d, hidden, kernels, stored = config["emb_dim"], config["dim_feedforward"], config["kernels"], config.get("stored")
    out: Layout = {"global_tokens": ((1, config["n_global_tokens"], d), "token")}

    def matrix(key: str, a: int, b: int, rule: str = "matrix", *, bias: bool = True) -> None:
        if stored == "transposed":
            out[f"{TRANSPOSED}{key}.weight"] = ((a, b), "matrix_t" if rule == "matrix" else rule)
        else:
            out[f"{key}.weight"] = ((b, a), rule)
        if bias:
            out[f"{key}.bias"] = ((b,), "bias")

    def norm(key: str, width: int) -> None:
        out[f"{key}.weight"], out[f"{key}.bias"] = ((width,), "scale"), ((width,), "bias")

    widths = (1, *config["conv"])
    for i in range(3):
        key, n_out = "patch_embedding.proj_in", widths[i + 1]
        out[f"{key}.{3 * i}.weight"] = ((n_out, widths[i], 1, kernels[i]), "matrix")
        out[f"{key}.{3 * i}.bias"] = ((n_out,), "bias")
        norm(f"{key}.{3 * i + 1}", n_out)
    matrix("patch_embedding.spectral_proj.0", config["patch_size"] // 2 + 1, d, "token")
    matrix("patch_embedding.channel_embedding", config["n_channel_embeddings"], d, "token")
    out["patch_embedding.time_encoding.0.weight"] = ((d, 1, 1, config["n_taps"]), "matrix")
    out["patch_embedding.time_encoding.0.bias"] = ((d,), "bias")
    for i in range(config["n_layer"]):
        key = f"encoder_layers.{i}"
        norm(f"{key}.norm1", d)
        norm(f"{key}.norm2", d)
        matrix(f"{key}.attn.qkv", d, 3 * d, bias=False)
        out[f"{key}.attn.q_bias"], out[f"{key}.attn.v_bias"] = ((d,), "token"), ((d,), "token")
        matrix(f"{key}.attn.proj", d, d)
        matrix(f"{key}.mlp.fc1", d, hidden)
        matrix(f"{key}.mlp.fc2", hidden, d)
    if config["n_classes"]:
        matrix("final_layer.token_proj.0", d, d)
        matrix("final_layer.time_proj.0", d, d)
        sizes = (d, d // 2, d // 4, config["n_classes"])
        for i in range(3):
            matrix(f"final_layer.classifier.{3 * i}", sizes[i], sizes[i + 1])
    return {f"{stored}.{key}": entry for key, entry in out.items()} if stored in BRANCHES else out


def plain(tensors: Stored) -> Tensors:
    """Bring the common form to braindecode's: without branch prefix, every matrix output-first."""
    out: Tensors = {}
    for key, value in tensors.items():
        if key.startswith(TRANSPOSED):
            out[key.removeprefix(TRANSPOSED)] = value.T.contiguous()
        else:
            out[key.removeprefix("student.").removeprefix("teacher.")] = value
    return out


def fold(tensors: Stored, config: Config) -> Tensors:
    """Turn the common form into `EegDino`'s state: the channel table and the packed bias are made once (spec 11)."""
    given = plain(tensors)
    embedding = "patch_embedding"
    out: Tensors = {"global_tokens": given["global_tokens"]}
    take_over(given, f"{embedding}.proj_in", out, "embedding.temporal")
    take_over(given, f"{embedding}.spectral_proj.0", out, "embedding.spectral")
    table, bias = (given[f"{embedding}.channel_embedding.{kind}"].double() for kind in ("weight", "bias"))
    out["embedding.channel.weight"] = table.T.contiguous() + bias  # a one-hot vector only picks a column
    out["embedding.taps"] = given[f"{embedding}.time_encoding.0.weight"].flatten(1).T.contiguous()
    out["embedding.bias"] = given[f"{embedding}.time_encoding.0.bias"]
    for i in range(config["n_layer"]):
        old, new = f"encoder_layers.{i}", f"blocks.{i}"
        for part in ("norm1", "norm2", "mlp"):
            take_over(given, f"{old}.{part}", out, f"{new}.{part}")
        q_bias, v_bias = (given[f"{old}.attn.{kind}_bias"] for kind in "qv")
        out[f"{new}.attention.qkv.weight"] = given[f"{old}.attn.qkv.weight"]
        out[f"{new}.attention.qkv.bias"] = torch.cat([q_bias, torch.zeros_like(q_bias), v_bias])
        take_over(given, f"{old}.attn.proj", out, f"{new}.attention.out")
    if config["n_classes"]:
        take_over(given, "final_layer.token_proj.0", out, "head.token")
        take_over(given, "final_layer.time_proj.0", out, "head.time")
        for i in range(3):
            take_over(given, f"final_layer.classifier.{3 * i}", out, f"head.layers.{i}")
    return out


def remarks(tensors: Stored, config: Config) -> tuple[str, ...]:
    """Say what no tensor tells but every embedding depends on."""
    full = complete(config)
    branch = (
        f"the {full['branch']} branch" if full["branch"] else "a branch its file does not name (braindecode: teacher)"
    )
    return (f"{full['nhead']} attention heads, {branch}: embeddings of another choice do not compare",)


def tuned(tensors: Stored, config: Config) -> dict[str, Stored]:
    """Return what the published files may hold at random: the heads in the braindecode repositories are (spec 5)."""
    head = plain({key: tensors[key] for key in tensors if "final_layer." in key})
    return {"classification head": head} if head else {}


def trusted(fields: Config, detected: Config) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Say which fields of a config.json that came with a checkpoint to believe, and what to tell the user (spec 10.1).

    A braindecode repository may hold a head count from before that library corrected its own.
    """
    nhead = fields.get("nhead", N_HEADS)
    if nhead == N_HEADS or detected["emb_dim"] not in GROUPS:
        return dict(fields), ()
    believed = {key: value for key, value in fields.items() if key != "nhead"}
    return believed, (
        f"the config.json beside it says {nhead} heads, {N_HEADS} are used; config nhead={nhead} forces it",
    )
