"""Models held against plainer methods on a recording's own hidden channels: `trial` runs it, `hiding`, `baselines`, `measures` serve it."""
