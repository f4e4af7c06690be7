"""LUNA's checkpoints: the published layout, the other spellings of it, and the folds that turn it into `network.Luna`'s state.

Knows tensor names and algebra (spec sections 4 and 9); leaves files to `eegora.checkpoints`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from eegora.checkpoints.rename import Rename, take_over
from eegora.errors import CheckpointError
from eegora.models.luna.network import Luna, hidden_width, theta
from eegora.models.luna.spec import VOCABULARY
from eegora.spec import Answer, Config, Layout, Shapes, Stored, Tensors

TABLE_ERROR = 1e-6  # relative: files hold float32
RENAMES = (
    Rename(r"model\.(.+)", r"\1", "prefix of Lightning files"),
    Rename(r"criterion\..*|loss.*", None, "the training loss"),
    Rename(r"final_layer\.(.+)", r"classifier.\1", "another library's name of the classifier"),
    Rename(r"channel_location_embedder\.((?:fc1|fc2|norm)\..+)", r"channel_location_embedder.0.\1", "the same"),
    Rename(r"cross_attn\.temperature", "cross_attn.temparature", "spelled as published"),
    Rename(r"(channel_emb\.)(?!embeddings\.weight).*", None, "buffers of the channel table"),
)


def renames(keys: Collection[str], fields: Config) -> tuple[Rename, ...]:
    """Return the rules; one list serves every spelling that is about."""
    return RENAMES


def build(config: Config) -> Luna:
    """Return the network without parameters' values."""
    return Luna(config, len(VOCABULARY))


def tasks(config: Config) -> tuple[str, ...]:
    """Say what a checkpoint of this configuration can do: its head is for reconstruction or for classification."""
    return ("embed", "attention", "classify" if config.get("num_classes") else "reconstruct")


def detect(shapes: Shapes) -> dict[str, Any]:
    """Read the configuration off the tensors' shapes (spec section 9).

    Raises
    ------
    CheckpointError
        ``not_this_model`` if the tensors that tell are absent.
    """
    try:
        _, n_queries, width = shapes["cross_attn.query_embed"]
        depth = len({key.split(".")[1] for key in shapes if key.startswith("blocks.")})
        hidden, wide = shapes["blocks.0.mlp.fc1.weight"]
        patch = shapes["freq_embed.frequency_to_embed.fc1.weight"][1] - 2
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(
            "not_this_model",
            f"the file has no LUNA encoder ({error} is missing)",
            hint="`eegora models` lists the models; check --model and --checkpoint",
        ) from error
    freqs = shapes.get("blocks.0.attn.rotary_emb.freqs")
    head = 2 * freqs[0] if freqs else width // 2
    return {
        "patch_size": patch,
        "num_queries": n_queries,
        "embed_dim": width,
        "depth": depth,
        "num_heads": width // head,
        "mlp_ratio": hidden / wide,
        "num_classes": shapes.get("classifier.decoder_ffn.fc2.weight", (0,))[0],
    }


def layout(config: Config) -> Layout:
    """List every tensor of the published layout with its shape and the rule that fills a synthetic one."""
    _check(config)
    d, q, patch, ratio = config["embed_dim"], config["num_queries"], config["patch_size"], config["mlp_ratio"]
    n, e, hidden = q * d, d // 4, hidden_width(ratio, d)
    out: Layout = {"mask_token": ((1, 1, d), "token")}
    for i, kernel in {0: (e, 1, 1, patch // 2 - 1), 3: (e, e, 1, 3), 6: (e, e, 1, 3)}.items():
        out |= _pair(f"patch_embed.proj_in.{i}", kernel, "matrix") | _norm(f"patch_embed.proj_in.{i + 1}", e)
    out |= _mlp("freq_embed.frequency_to_embed", patch + 2, 4 * (patch + 2), d, norm=False)
    out |= _mlp("channel_location_embedder.0", d, 2 * d, d, norm=True)
    out |= {"cross_attn.query_embed": ((1, q, d), "token"), "cross_attn.temparature": ((), "ones")}
    out |= _attention("cross_attn.cross_attention", d) | _mlp("cross_attn.ffn", d, hidden, d, norm=True)
    for name in ("keys", "values", "queries"):
        out |= _norm(f"cross_attn.{name}_norm", d)
    for i in range(3):
        out |= _encoder_layer(f"cross_attn.query_self_attn.layers.{i}", d, hidden, ("self_attn",))
    for i in range(config["depth"]):
        key = f"blocks.{i}"
        out |= _norm(f"{key}.norm1", n) | _norm(f"{key}.norm2", n)
        out[f"{key}.attn.rotary_emb.freqs"] = ((d // config["num_heads"] // 2,), "constant")
        out |= _pair(f"{key}.attn.qkv_proj", (3 * n, n)) | _pair(f"{key}.attn.proj", (n, n))
        out |= _mlp(f"{key}.mlp", n, hidden_width(ratio, n), n, norm=True)
    out |= _norm("norm", n)
    if config.get("num_classes"):
        out["classifier.learned_agg"] = ((1, 1, n), "token")
        out |= _attention("classifier.decoder_attn", n)
        return out | _mlp("classifier.decoder_ffn", n, 4 * n, config["num_classes"], norm=False)
    out |= _encoder_layer("decoder_head.decoder_pred.layers.0", d, 4 * d, ("self_attn", "multihead_attn"))
    out |= _norm("decoder_head.norm", d) | _mlp("decoder_head.decoder_linear", d, 4 * d, patch, norm=False)
    out["channel_emb.embeddings.weight"] = ((len(VOCABULARY), d), "token")
    return out


def _check(config: Config) -> None:
    """Refuse a configuration that no network can have."""
    width, n_heads = config["embed_dim"], config["num_heads"]
    wrong = [name for name in ("embed_dim", "num_queries", "depth", "num_heads", "patch_size") if config[name] < 1]
    if wrong or width % 16 or width % (2 * n_heads) or config["patch_size"] % 4:
        raise CheckpointError(
            "bad_config",
            f"LUNA has no configuration with embed_dim {width}, num_heads {n_heads}, patch_size {config['patch_size']}:"
            " the width is a multiple of 16 and of twice the heads, the patch of 4",
            hint="check --config and the checkpoint",
        )


def _pair(key: str, shape: tuple[int, ...], rule: str = "matrix") -> Layout:
    return {f"{key}.weight": (shape, rule), f"{key}.bias": (shape[:1], "bias")}


def _norm(key: str, width: int) -> Layout:
    return _pair(key, (width,), "scale")


def _mlp(key: str, width: int, hidden: int, out: int, *, norm: bool) -> Layout:
    inner = _norm(f"{key}.norm", hidden) if norm else {}
    return _pair(f"{key}.fc1", (hidden, width)) | inner | _pair(f"{key}.fc2", (out, hidden))


def _attention(key: str, width: int) -> Layout:
    packed: Layout = {f"{key}.in_proj_weight": ((3 * width, width), "matrix")}
    return packed | {f"{key}.in_proj_bias": ((3 * width,), "bias")} | _pair(f"{key}.out_proj", (width, width))


def _encoder_layer(key: str, width: int, hidden: int, attentions: tuple[str, ...]) -> Layout:
    """One norm per attention and one for the feed-forward."""
    out: Layout = {}
    for name in attentions:
        out |= _attention(f"{key}.{name}", width)
    out |= _pair(f"{key}.linear1", (hidden, width)) | _pair(f"{key}.linear2", (width, hidden))
    for i in range(len(attentions) + 1):
        out |= _norm(f"{key}.norm{i + 1}", width)
    return out


def remarks(tensors: Stored, config: Config) -> tuple[str, ...]:
    """Say what is unusual in a checkpoint: rotary constants that are not the formula's."""
    odd = [key for key, error in _frequency_errors(tensors, config).items() if error > TABLE_ERROR]
    return (f"{len(odd)} stored rotary tables differ from the formula, which is used: {odd[0]}",) if odd else ()


def examine(tensors: Stored, config: Config) -> tuple[Answer, ...]:
    """Compare the rotary frequencies that a file stores with the formula's, which the network takes (spec sections 4.7, 9)."""
    errors = _frequency_errors(tensors, config)
    question, depth = "Are the stored rotary frequencies the formula's?", config["depth"]
    if not errors:
        return (Answer(question, f"none of the {depth} blocks stores a table; the formula's is used"),)
    worst = max(errors.values())
    equal = sum(error <= TABLE_ERROR for error in errors.values())
    answer = f"{equal} of {len(errors)} tables are, within {TABLE_ERROR:g}; {depth} blocks"
    return (Answer(question, answer, {"largest_relative_error": worst}),)


def _frequency_errors(tensors: Stored, config: Config) -> dict[str, float]:
    """Return how far each stored table of rotary frequencies is from the formula's, relatively."""
    expected = theta(config["embed_dim"] // config["num_heads"])
    keys = [key for key in tensors if key.endswith("rotary_emb.freqs")]
    return {key: ((tensors[key].double() - expected) / expected).abs().max().item() for key in keys}


def tuned(tensors: Stored, config: Config) -> dict[str, Stored]:
    """Return what no published file holds and fine-tuning adds."""
    head = {key: tensors[key] for key in tensors if key.startswith("classifier.")}
    return {"classification head": head} if head else {}


def fold(tensors: Stored, config: Config) -> Tensors:
    """Turn the published layout into `Luna`'s state.

    Four folds, in float64 (spec section 12): convolutions over a patch become banded matrices; the constant queries of
    the two attention poolings become score rows, with their value and output projections merged; rows of q and k are
    ordered for half-split rotation; the packed projections are split where only a part is needed.
    """
    out: Tensors = {"mask_token": tensors["mask_token"].flatten()}
    n_heads = config["num_heads"]
    _patch_cnn(tensors, config["patch_size"], out)
    take_over(tensors, "freq_embed.frequency_to_embed", out, "frequency")
    take_over(tensors, "channel_location_embedder.0", out, "location")
    _channel_unification(tensors, n_heads, out)
    for i in range(config["depth"]):
        old, new = f"blocks.{i}", f"blocks.{i}"
        for part in ("norm1", "norm2", "mlp"):
            take_over(tensors, f"{old}.{part}", out, f"{new}.{part}")
        take_over(tensors, f"{old}.attn.proj", out, f"{new}.attention.out")
        order = _half_split(config["num_queries"] * n_heads, config["embed_dim"] // n_heads)
        for kind in ("weight", "bias"):
            out[f"{new}.attention.qkv.{kind}"] = tensors[f"{old}.attn.qkv_proj.{kind}"][order]
    take_over(tensors, "norm", out, "norm")
    if config.get("num_classes"):
        _classification(tensors, n_heads, out)
    else:
        _reconstruction(tensors, out)
    return out


def _patch_cnn(tensors: Stored, patch: int, out: Tensors) -> None:
    weights, biases = [], []
    for i, (stride, pad) in enumerate(((patch // 4, patch // 4 - 1), (1, 1), (1, 1))):
        kernel = tensors[f"patch_embed.proj_in.{3 * i}.weight"].double()[:, :, 0]  # (E, in, k)
        n_in = patch if i == 0 else 4
        # Feature order outside is position · channels + channel; a convolution sees channel-first.
        matrix = torch.zeros(4, kernel.shape[0], n_in, kernel.shape[1], dtype=torch.float64)
        for position in range(4):
            for tap in range(kernel.shape[2]):
                sample = position * stride + tap - pad
                if 0 <= sample < n_in:
                    matrix[position, :, sample] = kernel[:, :, tap]
        out[f"cnn.conv.{i}.weight"] = matrix.flatten(2).flatten(0, 1)
        out[f"cnn.conv.{i}.bias"] = tensors[f"patch_embed.proj_in.{3 * i}.bias"].repeat(4)
        weights.append(tensors[f"patch_embed.proj_in.{3 * i + 1}.weight"])
        biases.append(tensors[f"patch_embed.proj_in.{3 * i + 1}.bias"])
    out["cnn.weight"], out["cnn.bias"] = torch.stack(weights), torch.stack(biases)


def _constant_query(
    tensors: Stored, key: str, query: Tensor, n_heads: int, norms: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Fold an attention whose queries are constants.

    With x the plain normalised token, softmax over tokens of (Wq q + bq)·(Wk (γx + β) + bk)/√d only keeps the term in x,
    and Σ a (Wv (γx + β) + bv) = Wv γ (Σ a x) + Wv β + bv because the weights a sum to 1.

    Returns
    -------
    score : Tensor, shape (n_heads · n_queries, width)
    mix : Tensor, shape (width, n_heads · width)
    bias : Tensor, shape (width,)
    """
    width = query.shape[-1]
    weight, shift = tensors[f"{key}.in_proj_weight"].double(), tensors[f"{key}.in_proj_bias"].double()
    wq, wk, wv = weight.unflatten(0, (3, n_heads, -1))
    bq, _, bv = shift.unflatten(0, (3, n_heads, -1))
    wo = tensors[f"{key}.out_proj.weight"].double().unflatten(1, (n_heads, -1))
    q = torch.einsum("qw,hdw->hqd", query, wq) + bq[:, None]
    score = torch.einsum("hqd,hdw->hqw", q, wk) * (width // n_heads) ** -0.5
    mix = torch.einsum("ohd,hdw->ohw", wo, wv)
    bias = tensors[f"{key}.out_proj.bias"].double() + torch.einsum("ohd,hd->o", wo, bv)
    if norms:
        score = score * norms["key_scale"].double()
        bias = bias + torch.einsum("ohw,w->o", mix, norms["value_shift"].double())
        mix = mix * norms["value_scale"].double()
    return score.flatten(0, 1), mix.flatten(1), bias


def _channel_unification(tensors: Stored, n_heads: int, out: Tensors) -> None:
    query = tensors["cross_attn.query_embed"].double()[0]
    scale, shift = (tensors[f"cross_attn.queries_norm.{kind}"].double() for kind in ("weight", "bias"))
    query = torch.nn.functional.layer_norm(query, query.shape[-1:], scale, shift)
    norms = {
        "key_scale": tensors["cross_attn.keys_norm.weight"],
        "value_scale": tensors["cross_attn.values_norm.weight"],
        "value_shift": tensors["cross_attn.values_norm.bias"],
    }
    out["unify.queries_norm"] = query
    out["unify.score.weight"], out["unify.mix.weight"], out["unify.mix.bias"] = _constant_query(
        tensors, "cross_attn.cross_attention", query, n_heads, norms
    )
    take_over(tensors, "cross_attn.ffn", out, "unify.ffn")
    for i in range(3):
        old, new = f"cross_attn.query_self_attn.layers.{i}", f"unify.layers.{i}"
        _encoder_attention(tensors, f"{old}.self_attn", out, f"{new}.attention")
        take_over(tensors, f"{old}.linear1", out, f"{new}.mlp.fc1")
        take_over(tensors, f"{old}.linear2", out, f"{new}.mlp.fc2")
        take_over(tensors, f"{old}.norm1", out, f"{new}.norm1")
        take_over(tensors, f"{old}.norm2", out, f"{new}.norm2")


def _encoder_attention(tensors: Stored, old: str, out: Tensors, new: str) -> None:
    out[f"{new}.qkv.weight"], out[f"{new}.qkv.bias"] = tensors[f"{old}.in_proj_weight"], tensors[f"{old}.in_proj_bias"]
    take_over(tensors, f"{old}.out_proj", out, f"{new}.out")


def _half_split(n_heads: int, head: int) -> Tensor:
    """Return the order of qkv rows in which each head of q and k holds its even features, then its odd ones."""
    rows = torch.arange(3 * n_heads * head).view(3, n_heads, head // 2, 2)
    return torch.cat([rows[:2].transpose(2, 3).reshape(-1), rows[2].reshape(-1)])


def _classification(tensors: Stored, n_heads: int, out: Tensors) -> None:
    query = tensors["classifier.learned_agg"].double()[0]
    out["classification.score.weight"], out["classification.mix.weight"], out["classification.mix.bias"] = (
        _constant_query(tensors, "classifier.decoder_attn", query, n_heads, {})
    )
    take_over(tensors, "classifier.decoder_ffn", out, "classification.mlp")


def _reconstruction(tensors: Stored, out: Tensors) -> None:
    old, new = "decoder_head.decoder_pred.layers.0", "reconstruction"
    _encoder_attention(tensors, f"{old}.self_attn", out, f"{new}.attention")
    width = tensors["decoder_head.norm.weight"].shape[0]
    for kind in ("weight", "bias"):
        packed = tensors[f"{old}.multihead_attn.in_proj_{kind}"]
        out[f"{new}.query.{kind}"], out[f"{new}.key_value.{kind}"] = packed[:width], packed[width:]
    take_over(tensors, f"{old}.multihead_attn.out_proj", out, f"{new}.out")
    take_over(tensors, f"{old}.linear1", out, f"{new}.mlp.fc1")
    take_over(tensors, f"{old}.linear2", out, f"{new}.mlp.fc2")
    for i in (1, 2, 3):
        take_over(tensors, f"{old}.norm{i}", out, f"{new}.norm{i}")
    take_over(tensors, "decoder_head.norm", out, f"{new}.norm")
    take_over(tensors, "decoder_head.decoder_linear", out, f"{new}.to_samples")
    out[f"{new}.names.weight"] = tensors["channel_emb.embeddings.weight"]
