"""What a network has to do is counted on shapes alone, and is what the network with its parameters does."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from eegora import registry
from eegora.assembly import probe_windows, untrained_network
from eegora.check.fit import check_recording
from eegora.check.forward import forward
from eegora.compute import rate
from tests.models.conftest import MODELS


@pytest.mark.parametrize("model", MODELS)
def test_every_first_variant_can_be_told(model):
    spec = registry.specs()[model]
    windows, variant = probe_windows(spec), spec.variants[0]
    found = forward(spec, variant, "embed", windows, 7)
    assert found.n_windows == 7
    assert 0 < found.parameter_bytes <= 4.2 * variant.parameters
    assert found.seconds == pytest.approx(7 * found.gflop / (rate.SHARE * found.product_gflops))


@pytest.mark.parametrize("name", ["eeg-dino-small", "luna-base"])
def test_the_count_is_that_of_the_network_with_its_parameters(name):
    folder, spec, variant = registry.find(name)
    code, windows = registry.code(folder), probe_windows(spec)
    loaded = untrained_network(code, variant.config)
    packed = code.packed("embed", windows, loaded.config)
    inputs = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in packed.items()}
    # The counter does not know the fused attention of the CPU.
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        code.embed(loaded.network, inputs)
    found = forward(spec, variant, "embed", windows, 1)
    assert found.gflop == pytest.approx(counter.get_total_flops() / 1e9, rel=1e-9)
    assert found.parameter_bytes == 4 * sum(p.numel() for p in loaded.network.parameters())


def test_what_shapes_do_not_tell_is_left_out(noise):
    spec = registry.find("eegpt")[1]
    verdict = check_recording(noise(), spec, variant="official", task="reconstruct", network=True)
    assert (verdict.can_run, verdict.network) == (True, None)


def test_what_the_model_says_of_windows_is_the_verdict(noise):
    """Windows that the recipe makes and the network does not take."""
    spec = registry.find("eeg-dino")[1]
    recipe = spec.recipes[0].with_options("cut", seconds=2.5)
    assert check_recording(noise(), spec, recipe=recipe).can_run
    refused = check_recording(noise(), spec, recipe=recipe, network=True)
    assert (refused.answer, refused.findings[-1].code) == ("cannot run", "bad_window")
