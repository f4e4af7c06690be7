"""One network made ready to be timed: full size, seeded parameters, windows of any shape, its work counted.

Knows no clock (`measure`) and no peer (`peers`). Imports nothing that needs MNE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eegora import assembly, registry
from eegora.benchmark import machine
from eegora.benchmark.measure import Sample, timed
from eegora.checkpoints.synthetic import synthetic_state_dict
from eegora.compute.accelerate import accelerate, number_format
from eegora.compute.device import Device
from eegora.errors import EegoraError, UsageError
from eegora.recordings.positions import electrodes, head_position
from eegora.spec import Config, ModelSpec, Tensors, Variant
from eegora.windows import Windows

if TYPE_CHECKING:
    import torch

    from eegora.spec import Inputs

SEED = 0
AGREE = 1e-5  # of outputs of order 1: what acceleration in float32 may change
Adapt = Callable[["Inputs", str], "Inputs"]


@dataclass(frozen=True)
class What:
    """What is timed.

    Parameters
    ----------
    name : str
        Model and variant, as typed.
    task : str
    n_channels, n_times : int or None
        Shape of a window; None: what the model's default recipe makes.
    fields : dict
        Laid over the variant's configuration: another depth.
    settings : dict
        Choices of the call.
    without : str
        Tensors whose names start so are left out of the checkpoint.
    """

    name: str
    task: str = "embed"
    n_channels: int | None = None
    n_times: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    without: str = ""


class Subject:
    """A network on its device, as it is and accelerated.

    Parameters
    ----------
    what : What
    device : Device
    checkpoint : path, optional
        Of your own; without one, full-size with seeded random parameters, which takes the same time.
    adapt : callable, optional
        (inputs, task) → inputs: what a case adds to those that `pack` makes.

    Raises
    ------
    UsageError
        ``no_such_task``, or what the model says of windows that it does not take.
    """

    def __init__(
        self, what: What, device: Device, checkpoint: Path | None = None, adapt: Adapt = lambda inputs, task: inputs
    ) -> None:
        self.folder, self.spec, self._variant = chosen(what.name)
        self.what, self.device, self.adapt, self.path = what, device, adapt, checkpoint
        self.code = registry.code(self.folder)
        function = getattr(self.code, what.task)
        if function is None:
            raise UsageError("no_such_task", f"{what.name} has no task {what.task!r}", hint="eegora models")
        self.function: Callable[[torch.nn.Module, Inputs], torch.Tensor] = function
        self.windows = windows_of(self.spec, what.n_channels, what.n_times)
        self.loaded = self.load(device.storage)
        self.config = {**self.loaded.config, **what.settings}
        self.network = self.loaded.network.to(device.name)
        self.fast: Callable[[torch.nn.Module, Inputs], torch.Tensor] | None = None

    def tensors(self) -> Tensors:
        """Return the seeded parameters in the published layout."""
        import torch

        layout = self.code.layout({**self._variant.config, **self.what.fields})
        without = self.what.without
        kept = {
            key: entry
            for key, entry in layout.items()
            if entry[1] != assembly.CONSTANT and not (without and key.startswith(without))
        }
        return {key: torch.from_numpy(value) for key, value in synthetic_state_dict(kept, SEED).items()}

    def load(self, dtype: str) -> assembly.Loaded:
        """Make the network anew, on the CPU."""
        if self.path is not None:
            return assembly.load_network(self.code, self.path, config=self.what.fields, dtype=dtype)
        fields = {**self._variant.config, **self.what.fields}
        reading = assembly.read_as(self.code, self.tensors(), "seeded parameters", fields)
        reading.coverage.raise_for("seeded parameters")
        return assembly.assembled(self.code, reading, dtype)

    def inputs(self, batch: int) -> Inputs:
        """Return the network's inputs, made of seeded noise, on the device in its number format."""
        place = self.device
        return {
            key: value.to(place.name, place.torch_dtype) if value.is_floating_point() else value.to(place.name)
            for key, value in self.packed(batch).items()
        }

    def packed(self, batch: int) -> Inputs:
        """Return the inputs as `pack` makes them, of windows that do not overlap."""
        shape = self.windows.data.shape[1:]
        noise = np.random.RandomState(SEED).standard_normal((batch, *shape)).astype(np.float32)
        windows = replace(
            self.windows.take(np.zeros(batch, np.intp)),
            data=noise,
            onsets=np.arange(batch) * self.windows.seconds,
            index=np.arange(batch),
        )
        return self.adapt(self.code.packed(self.what.task, windows, self.config), self.what.task)

    def accelerate(self) -> None:
        """Change the network in place, and keep the function that runs it fast."""
        self.fast = accelerate(self.network, self.device, {self.what.task: self.function})[self.what.task]

    def run(self, inputs: Inputs) -> torch.Tensor:
        """Run once, by the fast way if there is one yet."""
        import torch

        with torch.inference_mode(), number_format(self.device):
            return (self.fast or self.function)(self.network, inputs)

    def timed(self, inputs: Inputs) -> Sample:
        """Time one run."""
        return timed(lambda: self.run(inputs), lambda: machine.wait(self.device.name))

    def gflop(self, inputs: Inputs) -> float:
        """Count the operations of products, convolutions and attention in one run, in 10⁹; before `accelerate`."""
        from torch.nn.attention import SDPBackend, sdpa_kernel
        from torch.utils.flop_counter import FlopCounterMode

        assert self.fast is None
        # As products: torch's counter does not know the CPU's fused attention and would count it as nothing.
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            self.run(inputs)
        return float(counter.get_total_flops()) / 1e9


def windows_of(spec: ModelSpec, n_channels: int | None = None, n_times: int | None = None) -> Windows:
    """Return one window of a model's kind in any shape: its fixed input's electrodes first, then others that it knows."""
    fixed = assembly.probe_windows(spec)
    names = fixed.ch_names
    if n_channels is not None and n_channels > len(names):
        known = spec.vocabulary.get("embed") or electrodes()
        placed = [name for name in known if head_position(name) is not None]
        own = [name for name in assembly.PROBE_NAMES if name in placed]
        names = tuple(dict.fromkeys([*own, *placed]))
    names = names[:n_channels]
    unknown = np.full(3, np.nan)
    places = [unknown if (place := head_position(name)) is None else np.asarray(place) for name in names]
    if len(names) <= len(fixed.ch_names) and names == fixed.ch_names[: len(names)]:
        places = list(fixed.ch_pos[: len(names)])
    if n_channels is not None and len(names) < n_channels:
        raise UsageError(
            "too_many_channels", f"{spec.title} knows {len(names)} electrodes, {n_channels} were asked for"
        )
    shape = (1, len(names), n_times or fixed.data.shape[-1])
    return replace(
        fixed,
        data=np.random.RandomState(SEED).standard_normal(shape).astype(np.float32),
        ch_names=names,
        ch_pos=np.array(places),
        n_valid=np.array([shape[-1]]),
        scale=np.ones((1, 1, 1)),
        shift=np.zeros((1, 1, 1)),
        missing=None,
    )


def chosen(name: str) -> tuple[str, ModelSpec, Variant]:
    """Return a model's folder, and the variant that a name names: its first where it names none."""
    folder, spec, variant = registry.find(name)
    return folder, spec, variant or spec.variants[0]


def firsts(most: float = float("inf")) -> tuple[str, ...]:
    """Return every model by its first variant, as far as that has no more parameters than that."""
    found = [(spec, spec.variants[0]) for spec in registry.specs().values()]
    return tuple(registry.full_name(spec, variant) for spec, variant in found if variant.parameters <= most)


def known(what: What) -> Config:
    """Return the configuration that the tensors of a variant tell; makes no network."""
    folder, _, variant = chosen(what.name)
    code, config = registry.code(folder), {**variant.config, **what.fields}
    return {**code.detect({key: shape for key, (shape, _) in code.layout(config).items()}), **config}


def takes(what: What) -> str | None:
    """Return why a model does not take windows of this shape, or None; makes no network."""
    folder, spec, _ = chosen(what.name)
    windows = {"n_channels": what.n_channels, "n_times": what.n_times}
    try:
        registry.code(folder).packed(what.task, windows_of(spec, **windows), {**known(what), **what.settings})
    except EegoraError as error:
        return error.message
    return None


def distance(one: torch.Tensor, two: torch.Tensor) -> tuple[float, float]:
    """Return the largest difference of two results, and the largest number of the second."""
    return float((one.double() - two.double()).abs().max()), float(two.double().abs().max())
