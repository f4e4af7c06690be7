"""Models held against plainer methods on a recording's own hidden channels: `trial` runs it, `hiding`, `baselines`, `measures` serve it."""

from eegora.compare.hiding import Wish
from eegora.compare.trial import score_repair

__all__ = ["Wish", "score_repair"]
