"""One vector per window, as a table. Give a recording of your own, or see it run on a synthetic one."""

import sys

import eegora
from eegora.recordings.synthetic import synthetic_raw

recording = sys.argv[1] if len(sys.argv) > 1 else synthetic_raw(seconds=30, seed=0)

# Leave out `untrained=0` to use the published checkpoint: it is downloaded once, and announced.
model = eegora.load_model("luna-base", untrained=0)
embeddings = model.embed(recording)

print(embeddings)
print("channels:", embeddings.provenance.plan)
for note in embeddings.provenance.notes:
    print("note:", note)
print(embeddings.pool("window").to_table().select(["onset", "duration", "n_channels", "untrained"]))
