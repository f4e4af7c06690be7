"""ZUNA's sampler: the folded decoder is the plain one, and noise is where it comes from."""

import pytest
import torch

from eegora import assembly
from eegora.checkpoints.synthetic import read_manifest
from eegora.compute.fused import fused
from eegora.compute.pulse import listening
from eegora.errors import UsageError
from eegora.models.zuna import folded, sampling
from eegora.models.zuna.inference import CODE, trace
from eegora.models.zuna.tokens import to_tokens, token_indices
from tests.models.zuna.conftest import VECTORS, pack, tiny, windows


def shared_heads():
    config = dict(read_manifest(VECTORS / "zuna-tiny.json").config["model"]) | {"n_heads": 4, "n_kv_heads": 2}
    return assembly.untrained_network(CODE, config, seed=1, dtype="float64")


NETWORKS = {"second": lambda: tiny("zuna-tiny"), "first": lambda: tiny("zuna-tiny1"), "shared": shared_heads}


def state(loaded, n_windows=2):
    zuna = loaded.network
    inputs = pack(loaded, windows(n_windows))
    order = loaded.config["token_order"]
    tokens = to_tokens(inputs["x"], order)
    rotary = zuna.rotary(token_indices(inputs["bins"], inputs["time"], order))
    z = sampling.noise(7, 0, 0, tuple(tokens.shape))
    return zuna, zuna.encoder(tokens, rotary), rotary, z


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("cfg", [1.0, 2.0, 0.5])
def test_the_folded_decoder_is_the_plain_one(name, cfg):
    zuna, latent, rotary, z = state(NETWORKS[name]())
    steps = 5
    with torch.inference_mode():
        table = folded.tables(zuna.decoder, steps)
        condition = folded.conditioned(zuna.decoder, latent, rotary)
        for step, time in enumerate(folded.times_of(steps, z.device).tolist()):
            plain = zuna.decoder(z, latent, time, rotary)
            if cfg != 1.0:
                without = zuna.decoder(z, torch.zeros_like(latent), time, rotary)
                plain = without + cfg * (plain - without)
            guidance = [] if cfg == 1.0 else [torch.tensor(cfg, dtype=z.dtype)]
            found = folded.velocity(zuna.decoder, z, *table.step(step), *condition, *guidance)
            torch.testing.assert_close(found, plain, rtol=0, atol=1e-12)


def test_tables_are_made_once_per_grid(second):
    decoder = second.network.decoder
    first = folded.tables(decoder, 3)
    assert len(folded.tables(decoder, 4).gains) == 4
    assert folded.tables(decoder, 3) is first


def test_times_go_from_one_down_to_a_step():
    assert folded.times_of(4, torch.device("cpu")).tolist() == [1.0, 0.75, 0.5, 0.25]


def test_one_step_is_noise_minus_velocity(second):
    zuna, latent, rotary, z = state(second)
    found = sampling.sample(zuna.decoder, latent, rotary, z, steps=1, cfg=1.0)
    torch.testing.assert_close(found, z - zuna.decoder(z, latent, 1.0, rotary), rtol=0, atol=1e-12)


@pytest.mark.parametrize("cfg", [1.0, 2.0])
def test_where_it_is_compiled_one_step_is_and_serves_all(monkeypatch, second, cfg):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda graph, **options: compiled.append(graph) or graph)
    zuna, latent, rotary, z = state(second)
    settings = {"steps": 4, "cfg": cfg}

    def run(network, inputs):
        return sampling.sample(network.decoder, latent, rotary, inputs["z"], **settings)

    with torch.inference_mode():
        found = fused(run, zuna, {"z": z})(zuna, {"z": -z})
        torch.testing.assert_close(found, run(zuna, {"z": -z}), rtol=0, atol=1e-12)
    assert len(compiled) == 1


def test_progress_is_told(second):
    zuna, latent, rotary, z = state(second)
    told = []
    with listening(lambda done, total: told.append((done, total))):
        sampling.sample(zuna.decoder, latent, rotary, z, steps=3, cfg=1.0)
    sampling.sample(zuna.decoder, latent, rotary, z, steps=1, cfg=1.0)
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_encoder_skips_only_what_nobody_reads(name):
    loaded = NETWORKS[name]()
    inputs = pack(loaded, windows(1))
    stages = trace(loaded.network, inputs, "embed")
    _, latent, _, _ = state(loaded, 1)
    torch.testing.assert_close(latent[0], stages["latent"], rtol=0, atol=1e-13)
    assert len(stages["enc.layer1"]) == 2 * len(latent[0])


def test_noise_belongs_to_seed_window_and_draw():
    first = sampling.noise(0, 3, 0, (4, 32))
    assert torch.equal(first, sampling.noise(0, 3, 0, (4, 32)))
    for other in ((1, 3, 0), (0, 4, 0), (0, 3, 1)):
        assert not torch.equal(first, sampling.noise(*other, (4, 32)))
    many = sampling.noise(0, 0, 0, (500, 32))
    assert abs(float(many.mean())) < 0.03
    assert float(many.std()) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(UsageError, match="seed"):
        sampling.noise(seed, 0, 0, (1, 32))


@pytest.mark.parametrize(
    ("n_tokens", "encoder", "velocity"), [(32, 22e9, 13e9), (480, 361e9, 213e9), (840, 671e9, 392e9)]
)
def test_work_is_the_specs(n_tokens, encoder, velocity):
    sizes = {"dim": 1024, "n_layers": 16, "inner_dim": 512, "kv_dim": 512, "hidden_dim": 2816}
    assert sampling.work(sizes, n_tokens, steps=1, cfg=1.0) == pytest.approx((encoder, velocity), rel=0.03)
    assert sampling.work(sizes, n_tokens, steps=50, cfg=2.0)[1] == pytest.approx(100 * velocity, rel=0.03)
