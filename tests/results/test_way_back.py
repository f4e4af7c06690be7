"""Windows without their samples go into files and come back."""

import json
from dataclasses import replace

import numpy as np

from eegora.results import way_back
from eegora.signal import Annotation, TimeAxis


def test_everything_but_the_samples_comes_back(windows, provenance):
    source = replace(
        windows,
        annotations=(Annotation(1.0, 2.0, "blink", (windows.ch_names[0],)),),
        bads=windows.ch_names[:1],
        axis=TimeAxis(20.0, 4.0, "2017-07-14T02:40:00+00:00"),
    )
    arrays, record = way_back.to_file(source)
    found = way_back.from_file(arrays, json.loads(json.dumps(record)), source.ch_names, provenance)
    assert (found.annotations, found.bads, found.axis, found.sfreq) == (
        source.annotations,
        source.bads,
        source.axis,
        source.sfreq,
    )
    np.testing.assert_array_equal(found.to_volts(source.data), source.to_volts())
    for name in ("onsets", "index", "n_valid", "ch_pos"):
        np.testing.assert_array_equal(getattr(found, name), getattr(source, name))
    assert found.data.shape == source.data.shape
    assert source.has_samples
    assert not found.has_samples


def test_what_stands_for_the_samples_takes_no_memory(windows):
    bare = way_back.without_samples(windows)
    assert not bare.has_samples
    assert bare.data.shape == windows.data.shape
    assert set(bare.data.strides) == {0}
