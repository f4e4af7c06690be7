"""Which device and number format to compute on, and why. The only place that knows device names."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eegora.errors import DeviceError

if TYPE_CHECKING:
    import torch

# Read by torch once, when it is imported: on MPS the CPU then does what has no kernel there, with a warning for each operation.
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

# "tf32": float32 whose products are rounded to 10 bits of mantissa inside; CUDA only, several times as fast.
DTYPES = ("float32", "float64", "tf32", "bfloat16", "float16")
UNMEASURED = "asked for; unmeasured: neither its numbers nor its speed were ever compared there"


@dataclass(frozen=True)
class Device:
    """A device and number format, chosen once per model.

    Parameters
    ----------
    name : str
        ``cpu``, ``cuda:0``, ``mps``.
    dtype : str
        One of `DTYPES`.
    reason : str
        Why this one, for the record.
    compiled : bool
        CUDA: compile what is captured. Fewer kernels, for half a minute per shape of windows and a C compiler.
    """

    name: str
    dtype: str
    reason: str
    compiled: bool = False

    @property
    def label(self) -> str:
        """The name as it was asked for: ``cuda:0+compile``."""
        return f"{self.name}+compile" if self.compiled else self.name

    @property
    def torch_dtype(self) -> torch.dtype:
        """The number format as torch knows it."""
        import torch

        return getattr(torch, self.storage)  # type: ignore[no-any-return]

    @property
    def warning(self) -> str | None:
        """What a user is told before anything runs there."""
        if self.name != "mps":
            return None
        return f"mps: {self.reason}; what torch has no kernel for there runs on the CPU, with a warning each"

    @property
    def storage(self) -> str:
        """Name of the format in which numbers are stored."""
        return "float32" if self.dtype == "tf32" else self.dtype


def choose_device(name: str = "auto", dtype: str = "float32") -> Device:
    """Choose where to compute.

    Parameters
    ----------
    name : str
        ``auto`` (the first CUDA device, else the CPU), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``. With ``+compile`` behind a
        CUDA device torch compiles each shape of windows on its second batch (`Device.compiled`).
    dtype : str
        One of `DTYPES`.

    Raises
    ------
    DeviceError
        ``no_device`` or ``no_dtype``.
    """
    import torch

    name, plus, extra = name.partition("+")
    if plus and (extra != "compile" or not name.startswith("cuda")):
        raise DeviceError("no_device", f"device '{name}+{extra}' is not known", hint="--device cuda+compile, or cuda")
    if plus:
        found = choose_device(name, dtype)
        return replace(found, reason=f"{found.reason}, compiled", compiled=True)
    if dtype not in DTYPES:
        raise DeviceError("no_dtype", f"dtype {dtype!r} is not known; there are {', '.join(DTYPES)}")
    if dtype == "tf32" and name != "cuda" and not name.startswith("cuda:") and not _auto_is_cuda(name):
        raise DeviceError("no_dtype", "tf32 is a number format of CUDA devices", hint="--dtype float32")
    if name == "auto":
        if torch.cuda.is_available():
            return Device("cuda:0", dtype, "auto: the first CUDA device")
        return Device("cpu", dtype, "auto: no CUDA device")
    kind, _, number = name.partition(":")
    if kind == "cpu" and not number:
        return Device("cpu", dtype, "asked for")
    if kind == "cuda" and (number.isdigit() or not number):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(number or 0) < count:
            return Device(f"cuda:{number or 0}", dtype, "asked for")
        have = f"{count} CUDA devices" if count else "no CUDA device"
        raise DeviceError("no_device", f"device {name!r} was asked for, this machine has {have}", hint="--device cpu")
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError("no_device", "device 'mps' was asked for, this machine has none", hint="--device cpu")
        if dtype != "float32":
            raise DeviceError("no_dtype", f"mps runs in float32 alone, {dtype} was asked for", hint="--dtype float32")
        return Device("mps", dtype, UNMEASURED)
    raise DeviceError(
        "no_device", f"device {name!r} is not known; there are auto, cpu, cuda, cuda:N, cuda+compile, mps"
    )


def _auto_is_cuda(name: str) -> bool:
    import torch

    return name == "auto" and torch.cuda.is_available()


def widest_float(device: torch.device) -> torch.dtype:
    """Return the widest float format of a device: float64 but on MPS."""
    import torch

    return torch.float32 if device.type == "mps" else torch.float64


def set_threads(n_threads: int | None) -> None:
    """Set how many CPU threads torch uses; None leaves its default."""
    if n_threads is not None:
        import torch

        torch.set_num_threads(max(1, n_threads))
        os.environ["OMP_NUM_THREADS"] = str(max(1, n_threads))  # the recipes' kernels ask there
