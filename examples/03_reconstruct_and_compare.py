"""What a model makes of each channel, in volts, beside what it was given."""

import numpy as np

import eegora
from eegora.recordings.synthetic import synthetic_raw

raw = synthetic_raw(seconds=20, seed=1)
model = eegora.load_model("luna-base", untrained=0)
reconstruction = model.reconstruct(raw, eegora.Preparation(recipe="luna-unipolar", unknown="drop"))

print(reconstruction)
print(reconstruction.honesty)
for name, rmse in zip(reconstruction.ch_names, np.asarray(reconstruction.rmse).mean(axis=0), strict=True):
    print(f"{name:4} RMSE {rmse:.2f} in units of the channel's standard deviation")

# An mne Raw on the recording's own time axis, with its annotations and positions.
print(reconstruction.to_raw(like=raw))
