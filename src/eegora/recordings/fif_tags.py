"""Whether the tags of a FIF file follow each other to its end: MNE reads what it finds of a broken chain and says nothing.

Knows the four numbers before each tag (spec preprocessing.md, section 9); what tags mean is MNE's affair.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from eegora.errors import RecordingError

HEAD = struct.Struct(">iiii")  # kind, type, size, place of the next: 0 follows, -1 none
KINDS = range(1, 100_000)
TYPES = range(0, 64)  # the low 16 bits; above them stands the matrix coding
BEGINNING = 1 << 14  # bytes read at once: most tags stand there, one after the other


def broken_chain(path: Path) -> tuple[str, ...]:
    """Report where the chain of tags breaks off.

    Returns
    -------
    tuple of str
        One note, or nothing if every tag ends where the next begins and the last says that it is the last.

    Raises
    ------
    RecordingError
        ``cannot_read`` if a tag points back: MNE would follow it for ever.
    """
    at, broken = 0, None
    with path.open("rb", buffering=0) as file:  # a buffer would read a thousand times what is looked at
        size = os.fstat(file.fileno()).st_size
        beginning = file.read(BEGINNING)
        while True:
            end = at + HEAD.size
            if end <= len(beginning):
                kind, data_type, n_bytes, following = HEAD.unpack_from(beginning, at)
            else:
                file.seek(at)
                head = file.read(HEAD.size)
                if len(head) < HEAD.size:
                    broken = at if broken is None else broken
                    break
                kind, data_type, n_bytes, following = HEAD.unpack(head)
            end += n_bytes
            sound = kind in KINDS and data_type & 0xFFFF in TYPES and n_bytes >= 0 and end <= size
            if broken is None and not (sound and following >= -1):
                broken = at
            if following < 0:
                break
            if (following or end) <= at:
                raise RecordingError(
                    "cannot_read", f"{path.name}: damaged: the tag at byte {at} points back", hint="get the file again"
                )
            at = following or end
    if broken is None:
        return ()
    return (f"damaged: the file's tags break off at byte {broken} of {size}; what lies behind may be lost or wrong",)
