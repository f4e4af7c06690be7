"""Whose a checkpoint file is (`recognise`), and the same parameters in the published layout (`convert`). Makes no Model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegora import assembly, registry
from eegora.checkpoints.record import RECORD, classes_in
from eegora.errors import CheckpointError, EegoraError, UsageError
from eegora.spec import Config, ModelCode, ModelSpec, Tensors

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Candidate:
    """A model that a checkpoint file may belong to.

    Parameters
    ----------
    folder : str
    spec : ModelSpec
    variant : str
        A published variant, or ``custom``.
    reading : Reading
        What its tensors are to this model; `reading.coverage.problems` is empty if it fits.
    """

    folder: str
    spec: ModelSpec
    variant: str
    reading: assembly.Reading

    @property
    def name(self) -> str:
        """As it is typed: ``model-variant``."""
        variant = self.spec.variant(self.variant)
        return registry.full_name(self.spec, variant) if variant else f"{self.spec.name} ({self.variant})"

    @property
    def licence(self) -> str:
        """Of the model's published checkpoints; a file of the user's own may have another."""
        named = self.spec.variant(self.variant) or self.spec.variants[0]
        return named.published.licence if named.published else "none is known"

    @property
    def fits(self) -> bool:
        """Whether every tensor is accounted for and none is missing."""
        return not self.reading.coverage.problems


@dataclass(frozen=True)
class Converted:
    """A checkpoint file that `convert` wrote.

    Parameters
    ----------
    path : Path
    candidate : Candidate
        What its source was.
    sha256 : str
    n_tensors : int
    """

    path: Path
    candidate: Candidate
    sha256: str
    n_tensors: int


def recognise(
    tensors: Mapping[str, torch.Tensor], path: str, fields: Config | None = None, beside: Config | None = None
) -> list[Candidate]:
    """Tell from the tensors alone which models a file may be of.

    Parameters
    ----------
    tensors : dict of str to Tensor
        As the file names them.
    path : str
        For messages.
    fields, beside : dict, optional
        As in `assembly.read_as`.

    Returns
    -------
    list of Candidate
        Those that fit, if there are any; else those with at least half of their tensors in the file, the best first.
    """
    found = []
    for folder, spec in registry.specs().items():
        try:
            reading = assembly.read_as(registry.code(folder), tensors, path, fields, beside)
        except EegoraError:  # not this model's, or another's configuration beside it
            continue
        found.append(Candidate(folder, spec, registry.variant_name(spec, reading.config), reading))
    whole = [candidate for candidate in found if candidate.fits]
    parts = [c for c in found if len(c.reading.coverage.used) >= len(c.reading.coverage.missing)]
    return whole or sorted(parts, key=lambda c: -len(c.reading.coverage.used))


def convert(
    source: Path | str,
    target: Path | str,
    *,
    model: str | None = None,
    fields: Config | None = None,
    dtype: str | None = None,
    overwrite: bool = False,
) -> Converted:
    """Write any checkpoint that a model reads as a safetensors file in the layout in which the model is published.

    Before the file gets its name it is proven: read back, it makes the same network as the source.

    Parameters
    ----------
    source : path
        .safetensors, .pt, .ckpt or .bin; a config.json beside it is read too.
    target : path
        Another file than the source.
    model : str, optional
        Needed only where the tensors fit several models.
    fields : dict, optional
        Configuration fields that the tensors do not tell, or a choice among the file's contents.
    dtype : str, optional
        Number format to store; default: each tensor as it was.
    overwrite : bool
        Replace the target if it is there.

    Raises
    ------
    UsageError
        ``exists``, ``bad_output``, ``cannot_write``, ``which_model``.
    CheckpointError
        As `load_model`; ``not_recognised``, ``out_of_range``.
    """
    from eegora.checkpoints.read import read_config, read_metadata, read_tensors, sha256_of
    from eegora.checkpoints.write import in_format, write_tensors

    source, target = Path(source), Path(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError("bad_output", f"{target} is the source itself, which is never written to", hint="-o another")
    if target.exists() and not overwrite:
        hint = "--overwrite, or -o with another name"
        raise UsageError("exists", f"{target} is there already; it was not touched", hint=hint)
    tensors, found = read_tensors(source), read_metadata(source)
    config_json = source.with_name("config.json")
    beside = read_config(config_json) if config_json.is_file() else None
    own = assembly.own_fields(found, fields)
    chosen = _the_one(recognise(tensors, str(source), own, beside), str(source), model)
    chosen.reading.coverage.raise_for(source)
    code = registry.code(chosen.folder)
    form = published_form(code, chosen.reading, {**(beside or {}), **own})
    coverage = chosen.reading.coverage
    record = {
        "source": source.name,
        "source_sha256": sha256_of(source),
        "model": chosen.name,
        "licence": f"of the published checkpoint: {chosen.licence}",
        "fields": form.fields,
        "config": form.config,
        "renamed": {old: [new, chosen.reading.reasons[old]] for old, new in coverage.renamed.items()},
        "dropped": dict(coverage.dropped),
        "classes": classes_in(found),
    }
    # One entry: the format's writer puts several in any order, and the same source should give the same bytes.
    metadata = {RECORD: json.dumps(record, sort_keys=True, default=str)}
    write_tensors(target, in_format(form.tensors, dtype), metadata, replace=overwrite)
    return Converted(target, chosen, sha256_of(target), len(form.tensors))


def _the_one(candidates: list[Candidate], path: str, model: str | None) -> Candidate:
    """Choose among the models that a file may be of: the one that was named, or the only one that fits."""
    if model is not None:
        folder, spec, _ = registry.find(model)
        candidates = [candidate for candidate in candidates if candidate.folder == folder]
        if not candidates:
            raise CheckpointError("not_this_model", f"{path}: not a checkpoint of {spec.title}", hint=f"inspect {path}")
    whole = [candidate for candidate in candidates if candidate.fits]
    if len(whole) > 1:
        names = ", ".join(candidate.name for candidate in whole)
        raise UsageError("which_model", f"{path} fits several models: {names}", hint="--model with one of them")
    if not candidates:
        raise CheckpointError(
            "not_recognised",
            f"{path}: its tensors are those of none of the models {', '.join(spec.name for spec in registry.specs().values())}",
            hint=f"`eegora inspect {path}` shows what is in it",
        )
    return whole[0] if whole else candidates[0]


@dataclass(frozen=True)
class PublishedForm:
    """A checkpoint in the layout in which its model is published.

    Parameters
    ----------
    tensors : dict of str to Tensor
    config : dict
        What a reader of these tensors and `fields` finds.
    fields : dict
        Those of the given fields that a reader of these tensors still needs or accepts.
    """

    tensors: Tensors
    config: dict[str, Any]
    fields: dict[str, Any]


def published_form(code: ModelCode, reading: assembly.Reading, fields: Config) -> PublishedForm:
    """Bring a reading to the published layout, and prove that it makes the same network.

    Parameters
    ----------
    code : ModelCode
    reading : Reading
        One that fits.
    fields : dict
        What was given when it was read.

    Raises
    ------
    CheckpointError
        ``not_the_same`` if the network would be another one.
    """
    tensors = dict(code.publish(reading.tensors) if code.publish else reading.tensors)
    tensors = {key: value.contiguous() for key, value in tensors.items()}
    kept: dict[str, Any] = {}
    again = assembly.read_as(code, tensors, "the converted tensors")
    for key, value in fields.items():
        if key not in reading.config or reading.config[key] != value or again.config.get(key) == value:
            continue  # not a field, not believed, or told by the tensors
        try:  # a choice among the source's contents has no meaning any more
            trial = assembly.read_as(code, tensors, "the converted tensors", {**kept, key: value})
        except EegoraError:
            continue
        if not trial.coverage.problems:
            kept[key], again = value, trial
    again.coverage.raise_for("the converted tensors")
    one, two = code.fold(reading.tensors, reading.config), code.fold(again.tensors, again.config)
    different = [key for key in one if key not in two or not one[key].equal(two[key])] + [
        k for k in two if k not in one
    ]
    if different:
        raise CheckpointError(
            "not_the_same", f"the converted tensors make another network ({different[0]} differs); nothing was written"
        )
    return PublishedForm(tensors, again.config, kept)
