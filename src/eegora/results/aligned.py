"""Embeddings of several models on a common grid of starts: one table, a row per model and start."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eegora.results import storage
from eegora.results.embeddings import Embeddings


def aligned_table(results: Sequence[Embeddings]) -> Any:
    """Join embeddings into one table, sorted by start, then by model as given.

    Returns
    -------
    pyarrow.Table
        Columns as `Embeddings.to_table`'s, with ``vector`` as a list: models differ in its length. The records of all
        models are a JSON list under ``eegora`` in the schema's metadata.
    """
    import pyarrow as pa

    tables = [result.to_table() for result in results]
    wide = pa.float64() if any(result.data.dtype == np.float64 for result in results) else pa.float32()
    parts = []
    for i, table in enumerate(tables):
        at = table.schema.get_field_index("vector")
        table = table.set_column(at, "vector", table["vector"].cast(pa.list_(wide)))
        parts.append(table.append_column("order", pa.array([i] * len(table), pa.int32())))
    whole = pa.concat_tables(part.replace_schema_metadata(None) for part in parts)
    whole = whole.sort_by([("onset", "ascending"), ("order", "ascending")]).drop_columns("order")
    records = [json.loads(table.schema.metadata[storage.KEY.encode()]) for table in tables]
    return whole.replace_schema_metadata({storage.KEY: json.dumps(records)})


def save_aligned(path: str | Path, results: Sequence[Embeddings]) -> None:
    """Write `aligned_table` as Parquet, whole or not at all."""
    storage.save_table(Path(path), aligned_table(results))
