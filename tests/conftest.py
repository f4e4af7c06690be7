"""What holds for all tests."""

import os

# More threads than two gain nothing on networks this small, and beside other work they wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "2")
