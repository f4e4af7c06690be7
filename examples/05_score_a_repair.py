"""May I trust a repair of my recording? Hide good channels, bring them back, compare with plainer methods."""

import eegora
from eegora.compare import Wish, score_repair
from eegora.recordings.synthetic import synthetic_raw

raw = synthetic_raw(seconds=5, seed=1)
raw.info["bads"] = ["EEG PZ-REF"]  # never hidden, never looked at

# Two layers of random parameters, so that this runs anywhere: load_model("zuna-1.1") has the published ones.
model = eegora.load_model("zuna", untrained=0, config={"n_layers": 2})
score = score_repair(raw, model, Wish(channels=("Cz", "O1"), runs=1), steps=1)

print(score.sentence)
print(score.conditions)
for row in score.table:
    print(f"{row['channel']:4} {row['method']:18} r {row['r']:5.2f}  NMSE {row['nmse']:.2f}")

# score.save("rec_desc-score.json"), score.save("rec_desc-score.parquet"), score.summary("area")
