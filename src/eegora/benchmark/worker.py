"""A peer, timed in its own environment: reads requests, one JSON line each, from its standard input and answers on its output.

Runs as a script there, so it imports nothing of this package; how a peer's network is made and called is in the model folder's
``peer.py``.
"""

import importlib.metadata
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


def make(state, peer, task, arguments, device):  # type: ignore[no-untyped-def]
    """Build the peer's network."""
    import torch

    torch.manual_seed(0)
    code = runpy.run_path(peer)
    network = code["make"](task, **arguments).eval().requires_grad_(False).to(device)
    state |= {"peer": code, "task": task, "network": network, "device": device}
    package = code["PACKAGES"][task]
    return {"package": package, "version": importlib.metadata.version(package), "torch": torch.__version__}


def feed(state, inputs, threads):  # type: ignore[no-untyped-def]
    """Take inputs (a .npz file) and a number of threads; products are not rounded to TF32."""
    import numpy as np
    import torch

    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    with np.load(inputs) as file:
        state["inputs"] = {key: torch.from_numpy(file[key]).to(state["device"]) for key in file.files}
    state["arguments"] = state["peer"]["arguments"](state["inputs"], state["task"])
    return {}


def run(state):  # type: ignore[no-untyped-def]
    """Time one forward pass."""
    import torch

    cuda = state["device"].startswith("cuda")
    with torch.no_grad():  # as its users call it
        if cuda:
            torch.cuda.synchronize()
        cpu, wall = time.process_time(), time.perf_counter()
        state["output"] = state["network"](**state["arguments"])
        if cuda:
            torch.cuda.synchronize()
    return {"wall": (time.perf_counter() - wall) * 1e3, "cpu": (time.process_time() - cpu) * 1e3}


def save(state, path):  # type: ignore[no-untyped-def]
    """Write the last output, in the shape that ``comparable`` gives ours."""
    import numpy as np

    found = state["peer"]["result"](state["output"], state["inputs"], state["task"])
    np.save(path, found.float().cpu().numpy())
    return {}


ANSWERS: dict = {  # type: ignore[type-arg]
    "make": make,
    "feed": feed,
    "run": run,
    "save": save,
}

if __name__ == "__main__":
    main()
