"""How fast a model runs here: beside its own unaccelerated network and beside a peer, in one interleaved run."""
