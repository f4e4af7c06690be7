"""ZUNA's checkpoints: the published layouts of both generations, and the re-ordering that turns one into `network.Zuna`'s state.

Knows tensor names and configuration fields (spec zuna.md, sections 2 and 12); leaves files to `eegora.checkpoints`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from eegora.checkpoints.mapped import RenamedTensors
from eegora.checkpoints.rename import Rename
from eegora.errors import CheckpointError
from eegora.models.zuna.network import Zuna
from eegora.models.zuna.spec import TASKS
from eegora.spec import Config, Layout, Shapes, Stored, Tensors

# Fields of config.json whose other values change the network in ways that no published checkpoint has.
SUPPORTED: dict[str, tuple[Any, ...]] = {
    "rope_dim": (4,),
    "tok_idx_type": ("{x,y,z,tc}",),
    "ape_dim": (0,),
    "seqlen_t": (False,),
    "zero_spatial": (False,),
    "encoder_latent_downsample_factor": (1,),
    "encoder_hidden_dim": (None,),
}
SPELLING = re.compile(r"(norm[^.]*)\.norm\.weight$")  # the second generation's norms are modules within modules
BOTTLENECKS = ("kl", "sim", "fsq")
ADAPTIVE = ("cross_attention_x_norm", "cross_attention_y_norm", "attention_norm", "ffn_norm")


def renames(keys: Collection[str], fields: Config) -> tuple[Rename, ...]:
    """Return the rules that bring a file's names to the published ones of its generation.

    Raises
    ------
    CheckpointError
        ``unsupported`` for configurations and tensors that this network does not have (spec section 2).
    """
    _refuse(keys, _flat(fields))
    rules = [
        Rename(r"(?!model\.)(.+)", r"model.\1", "the prefix that published files have"),
        Rename(r"(?:.+\.)?(?:repa_proj|repa_norm|distill_).*", None, "used in training only"),
        Rename(r"(.*norm[^.]*)\.norm\.weight", r"\1.weight", "one spelling for both generations"),
    ]
    if fields.get("encoder_only"):
        rules.append(Rename(r"model\.decoder\..+", None, "only the encoder was asked for"))
    if any("q_norm" in key or "norm_post" in key for key in keys):
        rules.append(Rename(r"(.*norm[^.]*)\.weight", r"\1.norm.weight", "spelled as the second generation does"))
    return tuple(rules)


def _refuse(keys: Collection[str], fields: Config) -> None:
    for field, values in SUPPORTED.items():
        if field in fields and fields[field] not in values:
            raise _unsupported(f"{field} = {fields[field]!r} came, wanted {values[0]!r}")
    kind = str(fields.get("bottleneck_type", "mmd")).lower()
    if any(name in kind for name in BOTTLENECKS):
        raise _unsupported(f"bottleneck_type = {kind!r} came, wanted 'mmd'")
    learned = [key for key in keys if key.endswith("encoder.dropout_vec")]
    if learned:
        raise _unsupported(f"{learned[0]} is a learned vector for blanked tokens; wanted none, they are zero")


def _unsupported(what: str) -> CheckpointError:
    return CheckpointError("unsupported", f"no such ZUNA network was published: {what}", hint="give a published file")


def _flat(config: Config) -> Config:
    """Return the fields of a config.json, where they stand under ``model``."""
    inner = config.get("model")
    return inner if isinstance(inner, dict) else config


def build(config: Config) -> Zuna:
    """Return the network without parameters' values."""
    return Zuna(config)


def tasks(config: Config) -> tuple[str, ...]:
    """Say what a checkpoint can do: without the decoder it only embeds."""
    return ("embed",) if config["encoder_only"] else TASKS


def detect(shapes: Shapes) -> dict[str, Any]:
    """Read the configuration off the tensors; what they do not tell has its published value (spec section 2).

    Raises
    ------
    CheckpointError
        ``not_this_model`` if the tensors that tell are absent.
    """
    layer = "model.encoder.layers.0"
    try:
        width, n_input = shapes["model.encoder.tok_embeddings.weight"]
        inner = shapes[f"{layer}.attention.wq.weight"][0]
        kv = shapes[f"{layer}.attention.wk.weight"][0]
        hidden = shapes[f"{layer}.feed_forward.w1.weight"][0]
        n_output = shapes["model.encoder.output.weight"][0]
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(
            "not_this_model",
            f"the file has no ZUNA encoder ({error} is missing)",
            hint="`eegora models` lists the models; check --model and --checkpoint",
        ) from error
    prefix = "model.encoder.layers."
    norm = shapes.get(f"{layer}.attention.q_norm.norm.weight")
    sandwich = f"{layer}.attention_norm_post.norm.weight" in shapes
    second = norm is not None or sandwich
    return {
        "dim": width,
        "n_layers": len({key.removeprefix(prefix).split(".")[0] for key in shapes if key.startswith(prefix)}),
        "head_dim": norm[0] if norm else 64,
        "inner_dim": inner,
        "kv_dim": kv,
        "hidden_dim": hidden,
        "input_dim": n_input,
        "encoder_output_dim": n_output,
        "t_dim": shapes.get("model.decoder.t_embedder.proj.weight", (64,))[0],
        "qk_norm": norm is not None,
        "sandwich": sandwich,
        "encoder_only": not any(key.startswith("model.decoder.") for key in shapes),
        **_choices(second),
    }


def _choices(second: bool) -> dict[str, Any]:
    """Return what no tensor tells and a user may set: the published values of a generation, and how to sample."""
    return {
        "max_seqlen": 256 if second else 50,
        "rope_theta": 10000.0,
        "norm_eps": 1e-5,
        "stft_global_sigma": 0.1,
        "position_bins": 100 if second else 50,
        "half_range": 0.12,
        "token_order": "A" if second else "B",
        "steps": 50,
        "cfg": 1.0,
        "seed": 0,
        "draw": 0,
        "noise": None,
    }


def layout(config: Config) -> Layout:
    """List every tensor of the published layout with its shape and the rule that fills a synthetic one.

    Parameters
    ----------
    config : dict
        What `detect` returns, or a published config.json (whose own words decide the generation).
    """
    c = _sizes(_flat(config))
    out: Layout = {"model.encoder.registers": ((1, c["input_dim"]), "token")}
    width, dot = c["dim"], ".norm.weight" if c["qk_norm"] or c["sandwich"] else ".weight"
    out |= _linear("model.encoder.tok_embeddings", width, c["input_dim"], bias=True)
    for i in range(c["n_layers"]):
        key = f"model.encoder.layers.{i}"
        out |= _attention(f"{key}.attention", c) | _feed_forward(f"{key}.feed_forward", c)
        posts = ("attention_norm_post", "ffn_norm_post") if c["sandwich"] else ()
        out |= {f"{key}.{name}{dot}": ((width,), "scale") for name in ("attention_norm", "ffn_norm", *posts)}
    out[f"model.encoder.norm{dot}"] = ((width,), "scale")
    out |= _linear("model.encoder.output", c["encoder_output_dim"], width)
    return out if c["encoder_only"] else out | _decoder(c)


def _sizes(fields: Config) -> dict[str, Any]:
    """Complete a published configuration with what it leaves out."""
    second = fields.get("qk_norm", "dropout_type" not in fields)
    multiple, head = fields.get("multiple_of", 256), fields["head_dim"]
    hidden = int(2 * (4 * fields["dim"]) / 3)
    if fields.get("ffn_dim_multiplier") is not None:
        hidden = int(fields["ffn_dim_multiplier"] * hidden)
    n_heads = fields.get("n_heads") or 8
    known = {
        "inner_dim": n_heads * head,
        "kv_dim": (fields.get("n_kv_heads") or n_heads) * head,
        "hidden_dim": -(-hidden // multiple) * multiple,
        "input_dim": 32,
        "encoder_output_dim": 32,
        "t_dim": 64,
        "qk_norm": second,
        "sandwich": fields.get("sandwich", second),
        "encoder_only": False,
    }
    return {**known, **fields}


def _linear(key: str, n_out: int, n_in: int, *, bias: bool = False) -> Layout:
    return {f"{key}.weight": ((n_out, n_in), "matrix")} | ({f"{key}.bias": ((n_out,), "bias")} if bias else {})


def _attention(key: str, c: Config) -> Layout:
    out: Layout = {}
    for name, n_out, n_in in (
        ("wq", c["inner_dim"], c["dim"]),
        ("wk", c["kv_dim"], c["dim"]),
        ("wv", c["kv_dim"], c["dim"]),
        ("wo", c["dim"], c["inner_dim"]),
    ):
        out |= _linear(f"{key}.{name}", n_out, n_in)
    norms = ("q_norm", "k_norm") if c["qk_norm"] else ()
    return out | {f"{key}.{name}.norm.weight": ((c["head_dim"],), "scale") for name in norms}


def _feed_forward(key: str, c: Config) -> Layout:
    width, hidden = c["dim"], c["hidden_dim"]
    return (
        _linear(f"{key}.w1", hidden, width) | _linear(f"{key}.w3", hidden, width) | _linear(f"{key}.w2", width, hidden)
    )


def _adaptive(key: str, c: Config) -> Layout:
    return {f"{key}.weight.weight": ((c["dim"], c["t_dim"]), "matrix"), f"{key}.weight.bias": ((c["dim"],), "scale")}


def _decoder(c: Config) -> Layout:
    width, t_dim = c["dim"], c["t_dim"]
    out = _linear("model.decoder.tok_embeddings", width, c["input_dim"], bias=True)
    out |= {"model.decoder.t_embedder.weight": ((t_dim // 2, 1), "token")}
    out |= _linear("model.decoder.t_embedder.proj", t_dim, t_dim, bias=True)
    out |= _linear("model.decoder.encoder_proj", width, c["encoder_output_dim"], bias=True)
    for i in range(c["n_layers"]):
        key = f"model.decoder.layers.{i}"
        out |= _attention(f"{key}.cross_attention", c) | _attention(f"{key}.attention", c)
        for name in ADAPTIVE:
            out |= _adaptive(f"{key}.{name}", c)
        posts = ("cross_attention_norm_post", "attention_norm_post", "ffn_norm_post") if c["sandwich"] else ()
        out |= {f"{key}.{name}.norm.weight": ((width,), "scale") for name in posts}
        out |= _feed_forward(f"{key}.feed_forward", c)
    return out | _adaptive("model.decoder.norm", c) | _linear("model.decoder.output", c["input_dim"], width)


def fold(tensors: Stored, config: Config) -> Tensors:
    """Turn the published layout into `Zuna`'s state: re-ordered and joined, no number changes.

    Rows of q and k are ordered for half-split rotation; k and v, and the two first matrices of a feed-forward, stand on
    each other; so do the 4 L + 1 projections of the time to a norm's gain.
    """
    head = config["head_dim"]
    if head % 8 or config["inner_dim"] % head or config["kv_dim"] % head:
        raise _unsupported(f"head_dim = {head} for {config['inner_dim']} rows of wq; wanted a divisor, a multiple of 8")
    plain = RenamedTensors(tensors, {SPELLING.sub(r"\1.weight", key.removeprefix("model.")): key for key in tensors})
    out: Tensors = {"encoder.registers": plain["encoder.registers"]}
    _copy(plain, "encoder.norm", out, "encoder.norm")
    _copy(plain, "encoder.tok_embeddings", out, "encoder.embed")
    _copy(plain, "encoder.output", out, "encoder.output")
    for i in range(config["n_layers"]):
        key = f"encoder.layers.{i}"
        _fold_attention(plain, f"{key}.attention", out, f"{key}.attention", config)
        _fold_feed_forward(plain, key, out)
        for name in ("attention_norm", "ffn_norm"):
            _copy(plain, f"{key}.{name}", out, f"{key}.{name}")
        for name in ("attention", "ffn"):
            _copy(plain, f"{key}.{name}_norm_post", out, f"{key}.{name}_post")
    if not config["encoder_only"]:
        _fold_decoder(plain, out, config)
    return out


def _fold_decoder(plain: Stored, out: Tensors, config: Config) -> None:
    out["decoder.frequencies"] = plain["decoder.t_embedder.weight"].flatten()
    for old, new in (
        ("t_embedder.proj", "time"),
        ("tok_embeddings", "embed"),
        ("encoder_proj", "condition"),
        ("output", "output"),
    ):
        _copy(plain, f"decoder.{old}", out, f"decoder.{new}")
    norms = [f"decoder.layers.{i}.{name}" for i in range(config["n_layers"]) for name in ADAPTIVE] + ["decoder.norm"]
    for kind in ("weight", "bias"):
        out[f"decoder.gain.{kind}"] = torch.cat([plain[f"{key}.weight.{kind}"] for key in norms])
    for i in range(config["n_layers"]):
        key = f"decoder.layers.{i}"
        _fold_attention(plain, f"{key}.cross_attention", out, f"{key}.cross", config)
        _fold_attention(plain, f"{key}.attention", out, f"{key}.attention", config)
        _fold_feed_forward(plain, key, out)
        for old, new in (("cross_attention", "cross"), ("attention", "attention"), ("ffn", "ffn")):
            _copy(plain, f"{key}.{old}_norm_post", out, f"{key}.{new}_post")


def _copy(plain: Stored, old: str, out: Tensors, new: str) -> None:
    """Take a module's own weight and bias over under another name, where it has them."""
    for kind in ("weight", "bias"):
        if f"{old}.{kind}" in plain:
            out[f"{new}.{kind}"] = plain[f"{old}.{kind}"]


def _fold_attention(plain: Stored, old: str, out: Tensors, new: str, config: Config) -> None:
    head = config["head_dim"]
    out[f"{new}.q.weight"] = half_split(plain[f"{old}.wq.weight"], head)
    out[f"{new}.kv.weight"] = torch.cat([half_split(plain[f"{old}.wk.weight"], head), plain[f"{old}.wv.weight"]])
    out[f"{new}.out.weight"] = plain[f"{old}.wo.weight"]
    if config["qk_norm"]:
        for name in ("q_norm", "k_norm"):
            out[f"{new}.{name}.weight"] = half_split(plain[f"{old}.{name}.weight"], head)


def _fold_feed_forward(plain: Stored, key: str, out: Tensors) -> None:
    up = [plain[f"{key}.feed_forward.{name}.weight"] for name in ("w1", "w3")]
    out[f"{key}.feed_forward.up.weight"] = torch.cat(up)
    out[f"{key}.feed_forward.down.weight"] = plain[f"{key}.feed_forward.w2.weight"]


def half_split(rows: Tensor, head: int) -> Tensor:
    """Put the even rows of each head before its odd ones."""
    out: Tensor = rows.unflatten(0, (-1, head // 2, 2)).transpose(1, 2).flatten(0, 2)
    return out


def interleaved(x: Tensor, head: int) -> Tensor:
    """Undo `half_split` along the last axis: how the paper numbers the features of q."""
    out: Tensor = x.unflatten(-1, (-1, 2, head // 2)).transpose(-1, -2).flatten(-3)
    return out
