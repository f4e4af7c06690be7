"""Small networks of each downstream task, and windows and recordings to feed them."""

import numpy as np

import eegora
from eegora import assembly
from eegora.compute.device import choose_device
from eegora.model import Model
from eegora.models.eegpt.inference import CODE
from eegora.models.eegpt.spec import DOWNSTREAM, SPEC
from eegora.recordings.synthetic import synthetic_raw

SMALL = {
    "patch_size": 64,
    "embed_dim": 32,
    "embed_num": 4,
    "depth": 2,
    "mlp_ratio": 2.0,
    "n_chan_embeddings": 62,
    "num_heads": 4,
}


def model(dtype="float32", fields=None, **config):
    """A small untrained Model; `config` adds to its layout, `fields` are a user's choices."""
    loaded = assembly.untrained_network(CODE, SMALL | config, fields=fields, dtype=dtype)
    record = {"source": "untrained", "name": "small"}
    return Model(SPEC, CODE, loaded, variant="custom", device=choose_device("cpu", dtype), checkpoint=record)


def task_config(name):
    """The layout of a downstream task's checkpoint, small."""
    task = DOWNSTREAM[name]
    width, hidden = SMALL["embed_dim"] * SMALL["embed_num"], 8
    config = {
        "chan_proj_type": task.chan_proj_type,
        "n_chans": len(task.channels if task.chan_proj_type == "scale" else task.rows),
        "n_chans_target": len(task.channels),
        "head": task.head,
        "n_outputs": len(task.classes),
        "probe_width": hidden,
        "head_width": {"probe": hidden * task.n_patches, "sleep": hidden, "flat": width * task.n_patches}[task.head],
    }
    if task.head == "sleep":
        config |= {"decoder_depth": 2, "decoder_inner": 16}
    if task.chan_proj_type == "stem":
        config["n_taps"] = {"tuab": 15, "tuev": 55}[name]
    return config


def windows(names, n_windows=2, n_times=256, hop=None, seed=0):
    """Windows of one noise signal, `hop` samples apart, on the named channels."""
    hop = hop or n_times
    signal = np.random.default_rng(seed).standard_normal((len(names), n_times + hop * (n_windows - 1)))
    starts = np.arange(n_windows) * hop
    return eegora.Windows(
        data=np.stack([signal[:, s : s + n_times] for s in starts]).astype(np.float32),
        ch_names=tuple(names),
        ch_pos=np.full((len(names), 3), np.nan),
        sfreq=256.0,
        onsets=starts / 256,
        index=np.arange(n_windows),
        n_valid=np.full(n_windows, n_times),
        flags=((),) * n_windows,
    )


def recording(name, seconds):
    """A recording with the channels that a downstream task starts from, at a rate of its own."""
    rows = DOWNSTREAM[name].rows
    return synthetic_raw(seconds, 1, ch_names=rows, sfreq=250)
