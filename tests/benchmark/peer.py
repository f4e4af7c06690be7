"""A stand-in for a model folder's ``peer.py``: doubles its input."""

import numpy as np
import torch

PACKAGES = {"embed": "numpy"}
CASES = (
    {"variant": "small", "n_channels": 19, "n_times": 400, "batch": 2, "threads": 1, "bar": 0.5, "aim": 1.0},
    {"variant": "small", "n_channels": 19, "n_times": 400, "batch": 1, "threads": 1, "alone": True, "bar_ms": 1e9},
    {"variant": "small", "n_channels": 19, "n_times": 400, "batch": 1, "threads": None, "device": "gpu", "bar": 9.0},
)


class Double(torch.nn.Module):
    def forward(self, x):
        print("libraries may print")
        return 2 * x


def make(task, config, ch_names, ch_pos, n_times, sfreq, checkpoint):
    if config.get("broken"):
        raise ValueError("no such size")
    return Double()


def arguments(inputs, task):
    return {"x": inputs["x"]}


def result(output, inputs, task):
    return output


def comparable(ours, task):
    """What `Double` makes of the inputs, whatever ours are, but for one number."""
    noise = np.random.RandomState(0).standard_normal((len(ours), 19, 400)).astype(np.float32)
    noise[0, 0, 0] += 0.5
    return 2 * torch.from_numpy(noise)
