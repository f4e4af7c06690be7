"""Embeddings are plain arrays: a linear probe is three lines of scikit-learn. (Toy labels: is there a blink in the window?)"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import eegora
from eegora.recordings.synthetic import synthetic_raw

model = eegora.load_model("luna-base", untrained=0)  # random parameters: expect little
raw = synthetic_raw(seconds=120, seed=2)
embeddings = model.embed(raw).pool("window")

frontal = model.prepare(raw).to_volts()[:, 0]  # FP1-F7
labels = np.ptp(frontal, axis=-1) > np.median(np.ptp(frontal, axis=-1))

probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
print("accuracy per fold:", cross_val_score(probe, embeddings.data, labels, cv=4).round(2))
