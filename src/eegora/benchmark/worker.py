"""A peer, timed in its own environment: reads requests, one JSON line each, from its standard input and answers on its output.

Runs as a script there, so it imports nothing of this package; how a peer's network is made is in the model folder's ``peer.py``.
"""

import json
import runpy
import sys
import time


def main() -> None:
    """Serve until the input ends."""
    out = sys.stdout
    sys.stdout = sys.stderr  # libraries may print
    state: dict = {}  # type: ignore[type-arg]
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = ANSWERS[request.pop("do")](state, **request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(answer) + "\n")
        out.flush()


def make(state, peer, arguments, device):  # type: ignore[no-untyped-def]
    """Build the peer's network."""
    import torch

    torch.manual_seed(0)
    state["peer"] = runpy.run_path(peer)
    network = state["peer"]["make"](**arguments).eval().requires_grad_(False).to(device)
    state |= {"network": network, "device": device}
    package = state["peer"]["PACKAGE"]
    from importlib.metadata import version

    return {"package": package, "version": version(package), "torch": torch.__version__}


def feed(state, x, threads, tf32=False):  # type: ignore[no-untyped-def]
    """Take an input file (.npy) and a number of threads."""
    import numpy as np
    import torch

    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    state["x"] = torch.from_numpy(np.load(x)).to(state["device"])
    return {}


def run(state):  # type: ignore[no-untyped-def]
    """Time one forward pass."""
    import torch

    cuda = state["device"].startswith("cuda")
    with torch.no_grad():  # as its users call it
        if cuda:
            torch.cuda.synchronize()
        cpu, wall = time.process_time(), time.perf_counter()
        state["output"] = state["network"](state["x"])
        if cuda:
            torch.cuda.synchronize()
    return {"wall": (time.perf_counter() - wall) * 1e3, "cpu": (time.process_time() - cpu) * 1e3}


def save(state, path):  # type: ignore[no-untyped-def]
    """Write the last output, in the shape that our `embed` gives."""
    import numpy as np

    np.save(path, state["peer"]["embedding"](state["output"]).float().cpu().numpy())
    return {}


ANSWERS: dict = {  # type: ignore[type-arg]
    "make": make,
    "feed": feed,
    "run": run,
    "save": save,
}

if __name__ == "__main__":
    main()
