"""A stand-in for a model folder's ``peer.py``: doubles its input."""

PACKAGE = "numpy"


def make(config, ch_names, ch_pos, n_times, sfreq, checkpoint):
    import torch

    if config.get("broken"):
        raise ValueError("no such size")

    class Double(torch.nn.Module):
        def forward(self, x):
            print("libraries may print")
            return 2 * x

    return Double()


def embedding(output):
    return output


def comparable(ours):
    return ours
