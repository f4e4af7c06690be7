"""Memory that a process gives up and asks for again at each run: kept instead, in large pages. Knows no network; Linux with glibc alone.

A run of 32 windows asks the system for 35 MB of new pages and returns them, every time; on a virtual machine that is a tenth of it.
"""

from __future__ import annotations

import ctypes
import os
import sys

# glibc: mallopt(3); Linux: madvise(2).
TRIM_THRESHOLD, MMAP_THRESHOLD, HUGE_PAGE = -1, -3, 14
KEPT = 512 << 20  # bytes of free memory that the process does not give back once it had them
LARGE = 128 << 20  # bytes; larger pieces come from the system and go back to it, as ever
ROOM = (
    256 << 20
)  # bytes of addresses that are advised to be large pages before they are used; unused they take no memory


def keep() -> bool:
    """Let the process keep what it frees, and have its heap in large pages; return whether that was possible.

    Someone who has set glibc's own variables (``MALLOC_TRIM_THRESHOLD_`` and the like) knows better: then nothing is done.
    """
    if not sys.platform.startswith("linux") or any(name.startswith("MALLOC_") for name in os.environ):
        return False
    try:
        libc = ctypes.CDLL(None)
        set_option, advise, allocate, free = libc.mallopt, libc.madvise, libc.malloc, libc.free
    except (OSError, AttributeError):  # another C library
        return False
    allocate.restype, allocate.argtypes, free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if not (set_option(MMAP_THRESHOLD, 2 * ROOM) and set_option(TRIM_THRESHOLD, KEPT)):
        return False
    free(allocate(ROOM))
    set_option(MMAP_THRESHOLD, LARGE)
    for start, end in _heap():
        advise(start, end - start, HUGE_PAGE)  # refused where large pages are switched off: then they stay small
    return True


def _heap() -> list[tuple[int, int]]:
    """Return where the heap lies."""
    try:
        with open("/proc/self/maps") as lines:
            places = [line.split()[0].split("-") for line in lines if line.rstrip().endswith("[heap]")]
    except OSError:
        return []
    return [(int(start, 16), int(end, 16)) for start, end in places]
