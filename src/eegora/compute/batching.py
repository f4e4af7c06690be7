"""Windows through a network in batches, without gradients, halving the batch where memory runs out. Knows no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from eegora.compute.device import Device
from eegora.errors import DeviceError, UsageError
from eegora.windows import Windows

if TYPE_CHECKING:
    import torch

PORTION = 1 << 24  # bytes of windows; what a network makes of them may be several times as large

Run = Callable[["dict[str, torch.Tensor]"], "torch.Tensor"]


def in_batches(
    run: Run, inputs: Mapping[str, torch.Tensor], device: Device, batch_size: int | None = None
) -> Iterator[torch.Tensor]:
    """Yield results for consecutive batches of windows, on the CPU.

    Parameters
    ----------
    run : callable
        Inputs on the device → tensor, first axis window.
    inputs : dict of str to Tensor
        CPU tensors; a first axis of length 1 is shared by all windows, the others have one entry per window.
    device : Device
    batch_size : int, optional
        Default: 8 on the CPU, 64 elsewhere.

    Raises
    ------
    DeviceError
        ``out_of_memory`` if one window alone does not fit.
    """
    import torch

    if batch_size is not None and batch_size < 1:
        raise UsageError("bad_batch_size", f"batch_size {batch_size} came, wanted 1 or more")
    n_windows = max((len(t) for t in inputs.values()), default=0)
    size = batch_size or (8 if device.name == "cpu" else 64)
    start = 0
    while start < n_windows:
        stop = min(start + size, n_windows)
        try:
            with torch.inference_mode():
                batch = {name: _place(t, start, stop, device) for name, t in inputs.items()}
                result = run(batch).cpu()
                if result.dtype in (torch.float16, torch.bfloat16):
                    result = result.float()  # NumPy has no bfloat16, and nobody saves half
        except torch.OutOfMemoryError as error:
            if stop - start == 1:
                raise DeviceError(
                    "out_of_memory", f"one window does not fit into the memory of {device.name}", hint="--device cpu"
                ) from error
            size = max(1, (stop - start) // 2)
            continue
        yield result
        start = stop


def portions(windows: Windows, batch_size: int | None = None) -> Iterator[Windows]:
    """Yield windows as many at a time as may be packed at once, whole batches each; all of them where they are few.

    Parameters
    ----------
    windows : Windows
        Perhaps a memory map, whose pages are given back after each portion.
    batch_size : int, optional
        As in `in_batches`.
    """
    if windows.data.nbytes <= PORTION:
        yield windows
        return
    whole = batch_size or 64
    n = max(1, PORTION // (windows.data.nbytes // len(windows)) // whole) * whole
    for start in range(0, len(windows), n):
        yield windows.take(slice(start, start + n))
        windows.let_go()


def _place(tensor: torch.Tensor, start: int, stop: int, device: Device) -> torch.Tensor:
    if len(tensor) > 1:
        tensor = tensor[start:stop]
    if tensor.is_floating_point():
        tensor = tensor.to(device.torch_dtype)
    return tensor.to(device.name)
