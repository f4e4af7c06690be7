"""Every step between a recording and a model's input is a value that can be looked at and changed."""

from eegora.recipes.prepare import prepare
from eegora.recordings.read import to_signal
from eegora.recordings.synthetic import synthetic_raw
from eegora.registry import find

_, spec, _ = find("luna-base")
recipe = spec.recipes[0].with_options("notch", freqs=[50.0])  # the mains here has 50 Hz

signal = to_signal(synthetic_raw(seconds=20, seed=0, line_freq=50))
windows = prepare(signal, recipe, watch=lambda step, state: print(f"{step.name:10} {state.data.shape}"))

print(windows.plan)
print("way back to volts, of the first window:", windows.to_volts()[0].std(), "V; not undone:", windows.not_undone)
