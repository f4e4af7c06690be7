"""Class probabilities per window, as a table and in files. Knows no model and no classes."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eegora.errors import UsageError
from eegora.provenance import Provenance
from eegora.results import storage, trials
from eegora.results.embeddings import EXTRA
from eegora.signal import Array
from eegora.whole import as_text

KIND = "classification"
ENDINGS = (".csv", ".parquet", ".npz", ".safetensors")


def class_names(n_classes: int, known: Sequence[str] = ()) -> tuple[str, ...]:
    """Return a name for each output of a head: those that are known, else ``class 0`` ….

    Raises
    ------
    UsageError
        ``bad_classes``.
    """
    names = tuple(known) or tuple(f"class {i}" for i in range(n_classes))
    if len(names) != n_classes or len(set(names)) != n_classes:
        raise UsageError(
            "bad_classes",
            f"{len(set(names))} class names ({', '.join(names)}) for a head with {n_classes} outputs",
            hint="--classes with one name per output, each another",
        )
    return names


def probabilities_of(logits: Array, several: bool) -> Array:
    """Return probabilities (n_windows, n_classes), float32: a sigmoid per class where several may hold, else their softmax."""
    exact = logits.astype(np.float64)
    if several:
        return np.asarray(1 / (1 + np.exp(-exact)), np.float32)
    odds = np.exp(exact - exact.max(-1, keepdims=True))
    return np.asarray(odds / odds.sum(-1, keepdims=True), np.float32)


@dataclass(frozen=True, eq=False, repr=False)
class Classification:
    """What a classification head says about each window.

    Parameters
    ----------
    logits, probabilities : ndarray of float32, shape (n_windows, n_classes)
    classes : tuple of str
    onsets : ndarray of float64, shape (n_windows,)
        Seconds from the first sample of the recording.
    seconds : float
        Length of a window.
    provenance : Provenance
    flags : tuple of tuple of str
        What is special about each window.
    extras : dict of str to ndarray
        Tensors that went into the network, where they were kept.
    multilabel : bool
        Classes do not exclude each other: each has a probability of its own, and those from 0.5 on are predicted.

    Examples
    --------
    >>> classification = model.classify(raw, classes=["normal", "abnormal"])  # doctest: +SKIP
    >>> classification.predicted, classification.probabilities  # doctest: +SKIP
    """

    logits: Array
    probabilities: Array
    classes: tuple[str, ...]
    onsets: Array
    seconds: float
    provenance: Provenance
    flags: tuple[tuple[str, ...], ...] = ()
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    multilabel: bool = False

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.onsets)

    def __repr__(self) -> str:
        """Return one line: size, classes, model."""
        p = self.provenance
        classes = ", ".join(self.classes)
        return f"<Classification window {len(self)}, {classes}, {p.model} {p.variant}{', untrained' * p.untrained}>"

    @property
    def events(self) -> tuple[str | None, ...]:
        """The event that each window stands at, or whose epoch it is cut from; None where there is none."""
        return trials.events(self.flags, len(self))

    @property
    def epochs(self) -> tuple[int | None, ...]:
        """The number of the epoch that each window is cut from, counted from 0; None of a continuous recording."""
        return trials.epochs(self.flags, len(self))

    @property
    def predicted(self) -> tuple[str, ...]:
        """The most probable class of each window; of `multilabel` classes all from 0.5 on, joined by ``+``, or ``none``."""
        if not self.multilabel:
            return tuple(self.classes[i] for i in self.probabilities.argmax(-1))
        rows = self.probabilities >= 0.5
        return tuple("+".join(c for c, on in zip(self.classes, row, strict=True) if on) or "none" for row in rows)

    def to_table(self) -> Any:
        """Return a pyarrow table with one row per window.

        Returns
        -------
        pyarrow.Table
            Columns recording, model, variant, onset, duration, predicted, ``p_CLASS`` and ``logit_CLASS`` per class,
            epoch, event, flags, untrained; the provenance as JSON under ``eegora`` in the schema's metadata.
        """
        import pyarrow as pa

        n, p = len(self), self.provenance
        columns = {
            "recording": pa.array([p.recording] * n, pa.string()),
            "model": pa.array([p.model] * n, pa.string()),
            "variant": pa.array([p.variant] * n, pa.string()),
            "onset": pa.array(self.onsets, pa.float64()),
            "duration": pa.array([self.seconds] * n, pa.float64()),
            "predicted": pa.array(self.predicted, pa.string()),
            **self._numbers("p_", self.probabilities),
            **self._numbers("logit_", self.logits),
            **trials.columns(self.flags, n),
            "untrained": pa.array([p.untrained] * n, pa.bool_()),
        }
        return storage.with_record(pa.table(columns), self._record())

    def save(self, path: str | Path) -> Path:
        """Write a file, whole or not at all.

        Parameters
        ----------
        path : str or Path
            ``.csv``: the table, flags joined by ``;``, with the provenance in a ``.json`` of the same name beside it;
            ``.parquet``: `to_table`; ``.npz``, ``.safetensors``: ``logits``, ``probabilities``, ``onsets``.

        Raises
        ------
        UsageError
            ``unknown_suffix``; ``cannot_write``; ``no_room_for_inputs``: `extras` in a table.
        """
        path = Path(path)
        suffix = storage.ending(path, ENDINGS, KIND)
        if self.extras and suffix in (".csv", ".parquet"):
            raise UsageError(
                "no_room_for_inputs", f"a {suffix} cannot hold the network's inputs", hint="use .safetensors or .npz"
            )
        if suffix == ".csv":
            check_free(path)
            record = json.dumps({storage.KEY: self._record()}, indent=2, sort_keys=True) + "\n"
            storage.write_whole(path.with_suffix(".json"), as_text(record))
            storage.write_whole(path, self._write_csv)
        elif suffix == ".parquet":
            storage.save_table(path, self.to_table())
        else:
            arrays = {"logits": self.logits, "probabilities": self.probabilities, "onsets": self.onsets}
            arrays |= {EXTRA + name: array for name, array in self.extras.items()}
            storage.save_arrays(path, arrays, self._record())
        return path

    @classmethod
    def load(cls, path: str | Path) -> Classification:
        """Read what `save` wrote.

        Raises
        ------
        UsageError
            ``unknown_suffix``; ``not_found``; ``bad_result``.
        """
        path = Path(path)
        suffix = storage.ending(path, ENDINGS, KIND, "read from")
        extras: Mapping[str, NDArray[Any]] = {}
        if suffix == ".csv":
            columns, found = _read_csv(path)
        elif suffix == ".parquet":
            table, found = storage.load_table(path, KIND)
            columns = {name: table[name].to_numpy() for name in table.column_names if name != "flags"}
        else:
            arrays, found = storage.load_arrays(path, KIND)
            extras = {name.removeprefix(EXTRA): a for name, a in arrays.items() if name.startswith(EXTRA)}
        if suffix in (".csv", ".parquet"):
            arrays = {"onsets": np.array(columns["onset"], np.float64)}
            for name, prefix in (("logits", "logit_"), ("probabilities", "p_")):
                picked = [np.array(columns[prefix + c], found["dtype"]) for c in found["classes"]]
                arrays[name] = np.stack(picked, axis=-1)
        return cls(
            arrays["logits"],
            arrays["probabilities"],
            tuple(found["classes"]),
            arrays["onsets"],
            found["seconds"],
            storage.provenance_of(found),
            tuple(tuple(flags) for flags in found["flags"]),
            extras,
            bool(found.get("multilabel", False)),
        )

    def _numbers(self, prefix: str, numbers: Array) -> dict[str, Any]:
        return {prefix + name: np.ascontiguousarray(numbers[:, i]) for i, name in enumerate(self.classes)}

    def _record(self) -> storage.Record:
        return storage.record(
            KIND,
            self.provenance,
            classes=self.classes,
            seconds=self.seconds,
            flags=self.flags,
            dtype=str(self.logits.dtype),
            multilabel=self.multilabel,
        )

    def _write_csv(self, part: Path) -> None:
        table = self.to_table()
        # NumPy writes the shortest text that reads back as the same number; via Python's float it would be twice as long.
        columns = [_cells(name, table[name]) for name in table.column_names]
        with part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(table.column_names)
            writer.writerows(zip(*[[str(value) for value in column] for column in columns], strict=True))


def _cells(name: str, column: Any) -> Any:
    """Return a column as what goes into a CSV's cells; what is not known stays empty."""
    if name == "flags":
        return [";".join(flags) for flags in column.to_pylist()]
    return ["" if value is None else value for value in column.to_pylist()] if column.null_count else column.to_numpy()


def check_free(path: Path) -> None:
    """Refuse a ``.csv`` whose provenance would replace a file that the user did not name and we did not write.

    Raises
    ------
    UsageError
        ``cannot_write``.
    """
    sidecar = path.with_suffix(".json")
    if path.suffix.lower() == ".csv" and sidecar.exists():
        try:
            ours = storage.KEY in json.loads(sidecar.read_text("utf-8"))
        except (OSError, ValueError, TypeError):
            ours = False
        if not ours:
            raise UsageError(
                "cannot_write",
                f"the provenance of {path} goes into {sidecar}, which holds something else",
                hint="-o another name",
            )


def _read_csv(path: Path) -> tuple[dict[str, list[str]], storage.Record]:
    sidecar = path.with_suffix(".json")
    storage.check_there(path)
    storage.check_there(sidecar)
    try:
        text = json.dumps(json.loads(sidecar.read_text("utf-8"))[storage.KEY])
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise UsageError(
            "bad_result", f"{path} or {sidecar.name} is not a result of eegora", hint="save it again"
        ) from error
    found = storage.check_record(sidecar, text, KIND)
    names = ["onset", *(p + c for p in ("p_", "logit_") for c in found["classes"])]
    try:
        return {name: [row[name] for row in rows] for name in names}, found
    except KeyError as error:
        raise UsageError("bad_result", f"{path} has no column {error}", hint="save it again") from error
