"""What a checkpoint file's metadata say of it: the record that `convert` leaves there, and the names of classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

RECORD = "eegora"  # where `convert` leaves its record


def fields_of(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the configuration fields that `convert` wrote into a file because its tensors do not tell them."""
    fields = _record(metadata).get("fields")
    return fields if isinstance(fields, dict) else {}


def classes_in(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Read the class names in a checkpoint's metadata: ``classes`` as a JSON list or separated by commas, or `convert`'s record."""
    text = metadata.get("classes")
    try:
        names = (
            _record(metadata).get("classes")
            if text is None
            else json.loads(text)
            if text[:1] == "["
            else text.split(",")
        )
    except ValueError:
        return ()
    return tuple(str(name).strip() for name in names or () if name is not None and str(name).strip())


def _record(metadata: Mapping[str, str]) -> dict[str, Any]:
    try:
        record = json.loads(metadata.get(RECORD, "{}"))
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
