import numpy as np
import pytest

from eegora.plan import ChannelPlan, ChannelUse
from eegora.provenance import Provenance
from eegora.results import Classification, Embeddings
from eegora.results.pooling import Pooling
from eegora.windows import Windows


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def provenance():
    plan = ChannelPlan(
        (ChannelUse("derived", "FP1-F7", ("EEG FP1-REF", "EEG F7-REF")), ChannelUse("dropped", None, ("EKG",)))
    )
    return Provenance(
        recording="night.edf",
        model="agora",
        variant="small",
        task="embed",
        checkpoint={"source": "given", "name": "a.safetensors", "sha256": "ab12"},
        recipe='name = "plain"\n',
        plan=plan,
        notes=("Fp2 is flat",),
        options={"seed": 3},
    )


@pytest.fixture
def embeddings(rng, provenance):
    return Embeddings(
        data=rng.normal(size=(3, 4, 5)).astype(np.float32),
        axes=("window", "patch", "feature"),
        onsets=np.array([0.0, 5.0, 10.1]),
        seconds=5.0,
        ch_names=("FP1-F7", "F7-T3"),
        provenance=provenance,
        flags=((), ("flat:Fp2", "annotated:BAD_move"), ()),
        poolings={
            "window": Pooling(mean=("patch",)),
            "first": Pooling(take=(("patch", 0),)),
            "all": Pooling(flatten=("patch",)),
        },
        extras={"x": rng.normal(size=(3, 2, 40)).astype(np.float32), "index": np.arange(6).reshape(3, 2)},
    )


@pytest.fixture
def classification(rng, provenance):
    logits = rng.normal(size=(3, 2)).astype(np.float32)
    odds = np.exp(logits)
    return Classification(
        logits=logits,
        probabilities=(odds / odds.sum(-1, keepdims=True)).astype(np.float32),
        classes=("normal", 'abnormal, or "odd"'),
        onsets=np.array([0.0, 5.0, 10.1]),
        seconds=5.0,
        provenance=provenance,
        flags=((), ("flat:Fp2", "annotated:BAD_move"), ()),
    )


@pytest.fixture
def windows(rng, provenance):
    return Windows(
        data=rng.normal(size=(2, 3, 8)).astype(np.float32),
        ch_names=("FP1-F7", "F7-T3", "Cz"),
        ch_pos=np.zeros((3, 3)),
        sfreq=4.0,
        onsets=np.array([0.0, 2.0]),
        index=np.arange(2),
        n_valid=np.array([8, 6]),
        scale=np.full((2, 3, 1), 2e-5),
        shift=np.full((2, 3, 1), 1e-6),
        not_undone=("notch",),
        plan=provenance.plan,
        flags=((), ("short",)),
        name="night.edf",
    )
