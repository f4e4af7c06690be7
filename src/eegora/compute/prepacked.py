"""Linear maps on the CPU with their matrix in oneDNN's own order, bias and GELU in the same pass.

torch's usual library for products takes a slow path on some processors (spec performance.md, section 1). The operations used
here are torch's own but private, so each is tried, checked and timed before it is trusted; anything unexpected means plain torch.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eegora.compute.exponentials import attend
from eegora.whole import as_text, write_whole

Way = Callable[[], Tensor]
Pair = tuple[Way, Way]
Clock = Callable[[], float]
Shapes = tuple[tuple[int, int, int, int], ...]

NOTHING = (0, 0)  # no matrix has been packed
ROWS = 4096  # what the packed order is chosen for; measured to serve all numbers of rows equally well
SMALL = 500_000  # multiplications below which calling costs more than packing saves
# Rows, inputs, outputs of the products that are timed: one window's tokens to a batch's, narrow to wide.
TRIALS = ((32, 256, 256), (32, 256, 768), (128, 256, 512), (256, 512, 1024))
# Sequences, heads, tokens, features of the attentions that are timed.
LONG, TINY = ((1, 8, 192, 25), (2, 8, 128, 25)), ((256, 2, 4, 32),)
BLAS_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # NumPy's library reads them
REPEATS = 7
WORTH = 0.98  # a mean gain below this is noise: plain torch stays


@dataclass(frozen=True)
class Choice:
    """What is faster than torch's usual way, on this machine.

    Parameters
    ----------
    plain : bool
        A linear map alone.
    gelu : bool
        A linear map with GELU.
    long, tiny : bool
        Attention by `exponentials` to sequences that are long or tiny there, on one thread.
    """

    plain: bool = False
    gelu: bool = False
    long: bool = False
    tiny: bool = False


class PrepackedLinear(nn.Linear):
    """A linear map that uses its packed matrix where that is faster and allowed: float32, on the CPU, without gradients.

    Made from an existing map by `prepack`; parameters and their names stay. The matrix is packed when it is first needed,
    and again if it has changed.
    """

    choice: Choice
    packed: Tensor | None
    packed_from: tuple[int, int]

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., n_in) to (..., n_out)."""
        packed = self._pack(x) if self.choice.plain else None
        return super().forward(x) if packed is None else _product(x, packed, self._parameters["bias"])

    def gelu(self, x: Tensor) -> Tensor:
        """Return GELU(linear(x)), exact."""
        packed = self._pack(x) if self.choice.gelu else None
        return F.gelu(self(x)) if packed is None else _product(x, packed, self._parameters["bias"], "gelu")

    def _pack(self, x: Tensor) -> Tensor | None:
        """Return the packed matrix if it may be used for this input."""
        weight = self._parameters["weight"]  # as self.weight, which costs a call of Python
        assert weight is not None
        if (
            x.numel() * self.out_features < SMALL
            or x.dtype is not torch.float32
            or weight.dtype is not torch.float32
            or not x.is_cpu
            or torch.is_grad_enabled()
        ):
            return None
        state = (id(weight), 0 if weight.is_inference() else weight._version)
        if self.packed_from != state:
            self.packed, self.packed_from = _packed(weight) if self._is_plain(x) else None, state
        return self.packed

    def _is_plain(self, x: Tensor) -> bool:
        """Say whether a subclass, whose forward is its own, computes what a linear map does."""
        if type(self) is PrepackedLinear:
            return True
        rows = x.reshape(-1, x.shape[-1])[:2]
        return torch.equal(super().forward(rows), F.linear(rows, self.weight, self.bias))

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Forget the packed matrix where torch moves or converts the parameters."""
        self.packed, self.packed_from = None, NOTHING
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]


@cache
def _prepacked(kind: Any) -> Any:
    """Return a class that is `PrepackedLinear` and also what it was."""
    if kind is nn.Linear:
        return PrepackedLinear
    return type(f"Prepacked{kind.__name__}", (PrepackedLinear, kind), {})


def prepack(network: nn.Module, choice: Choice | None = None) -> None:
    """Let the linear maps of a network use packed matrices, where this machine gains by it.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place: its ``nn.Linear`` modules become `PrepackedLinear`.
    choice : Choice, optional
        Default: timed once per machine and kept in the cache folder.
    """
    choice = choice or choose()
    if not (choice.plain or choice.gelu):
        return
    for module in network.modules():
        if isinstance(module, nn.Linear) and not isinstance(module, PrepackedLinear):
            kind: Any = type(module)
            module.__class__ = _prepacked(kind)
            module.choice, module.packed, module.packed_from = choice, None, NOTHING  # type: ignore[assignment]


def _packed(weight: Tensor) -> Tensor:
    out: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), ROWS)
    return out


def _product(x: Tensor, packed: Tensor, bias: Tensor | None, after: str = "none") -> Tensor:
    algorithm = "none" if after == "gelu" else ""  # "none": the error function, not its approximation by tanh
    out: Tensor = _operation()(x, packed, bias, after, [], algorithm)
    return out


@cache
def _operation() -> Any:
    """Return torch's operation, looked up once: at one window a network spends a tenth of its time on calls."""
    return torch.ops.mkldnn._linear_pointwise.default


def choose(cache: Path | None = None) -> Choice:
    """Return the choice for this machine, version of torch and number of threads; timed when it is not in the cache.

    Parameters
    ----------
    cache : Path, optional
        Folder; default: the user's cache folder. A file in it that cannot be read is ignored and written anew.
    """
    folder = cache or _cache_folder()
    path = folder / f"linears-{_machine()}.json" if folder else None
    found = _read(path)
    if found is None:
        found = measure()
        _write(path, found)
    return found


def measure(clock: Clock | None = None) -> Choice:
    """Try, check and time packed against plain products, and attention; about a third of a second.

    Parameters
    ----------
    clock : callable, optional
        Default: processor time on one thread (other programs' work does not count), else time.
    """
    clock = clock or (time.process_time if torch.get_num_threads() == 1 else time.perf_counter)
    try:
        with torch.inference_mode():
            pairs = [_ways(*shape) for shape in TRIALS]
            plain, gelu = (_wins([pair[kind] for pair in pairs], clock) for kind in (0, 1))
            return Choice(plain, gelu, *(_attention_wins(shapes, clock) for shapes in (LONG, TINY)))
    except (RuntimeError, AttributeError, TypeError):
        return Choice()  # this build of torch has no such operation, or another one


def _ways(rows: int, n_in: int, n_out: int) -> tuple[Pair, Pair]:
    """Return plain and packed, without and with GELU."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(rows, n_in, generator=draw)
    weight = torch.randn(n_out, n_in, generator=draw) / n_in**0.5
    bias = torch.randn(n_out, generator=draw)
    packed = _packed(weight)
    return (
        (lambda: F.linear(x, weight, bias), lambda: _product(x, packed, bias)),
        (lambda: F.gelu(F.linear(x, weight, bias)), lambda: _product(x, packed, bias, "gelu")),
    )


def _attention_wins(shapes: Shapes, clock: Clock) -> bool:
    """Say whether `exponentials` is the faster way to attend on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _wins([_attentions(*shape) for shape in shapes], clock)
    finally:
        torch.set_num_threads(before)


def _attentions(n_batch: int, n_heads: int, n: int, d: int) -> Pair:
    """Return attention by torch and by `exponentials`."""
    packed = torch.randn(n_batch, n, 3 * n_heads * d, generator=torch.Generator().manual_seed(0))
    q, k, v = packed.unflatten(-1, (3, n_heads, d)).permute(2, 0, 3, 1, 4)
    return (
        lambda: F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2),
        lambda: attend(q, k, v),
    )


def _wins(pairs: list[Pair], clock: Clock) -> bool:
    """Say whether the second of each pair gives the same and is faster, in the mean over pairs."""
    if not all(torch.allclose(plain(), packed(), rtol=1e-5, atol=1e-5) for plain, packed in pairs):
        return False
    return statistics.geometric_mean(_gain(*pair, clock) for pair in pairs) < WORTH


def _gain(plain: Way, packed: Way, clock: Clock) -> float:
    """Time two ways in turn; the fastest run of each counts, because noise only ever adds."""
    best = [float("inf"), float("inf")]
    for _ in range(REPEATS):
        for i, way in enumerate((plain, packed)):
            start = clock()
            for _ in range(3):
                way()
            best[i] = min(best[i], clock() - start)
    return max(best[1], 1e-9) / max(best[0], 1e-9)


def _cache_folder() -> Path | None:
    try:
        from platformdirs import user_cache_path
    except ImportError:  # a machine with torch alone: the choice is made anew each time
        return None
    return user_cache_path("eegora", appauthor=False)


def _machine() -> str:
    """Return a short name for what the choice depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="ignore").split("\n\n", 1)[0].splitlines()
        words = [line for line in lines if line.startswith(("model", "vendor", "cpu family", "flags"))]
    except OSError:
        words = [platform.processor()]
    threads = [str(torch.get_num_threads()), *(str(os.environ.get(name)) for name in BLAS_THREADS)]
    facts = [*words, platform.machine(), torch.__version__, np.__version__, *threads, repr((TRIALS, LONG, TINY))]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _read(path: Path | None) -> Choice | None:
    try:
        found = json.loads(path.read_text()) if path else None
        choice = Choice(**found) if isinstance(found, dict) else None
    except (OSError, ValueError, TypeError):
        return None
    return choice if choice and all(isinstance(value, bool) for value in asdict(choice).values()) else None


def _write(path: Path | None, choice: Choice) -> None:
    """Write the whole file or none; a folder that cannot be written to only costs the next start its time."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, as_text(json.dumps(asdict(choice))))
    except OSError:
        return
