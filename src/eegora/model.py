"""`Model`: one model, ready. Prepares, batches, runs, labels the axes and keeps the record.

Knows no model by name; what a model computes is in its folder, where its parameters come from is `loading`'s affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from eegora import registry
from eegora.compute.device import Device
from eegora.errors import ChannelError, UsageError
from eegora.preparation import Outlook, Pace, Preparation, Progress, cells_of
from eegora.provenance import Provenance
from eegora.recipes.prepare import Watch, prepare
from eegora.recipes.recipe import Recipe
from eegora.results.attention import Attention
from eegora.results.classification import Classification, class_names, probabilities_of
from eegora.results.embeddings import Embeddings
from eegora.results.reconstruction import Reconstruction
from eegora.results.repair import Repair
from eegora.results.way_back import without_samples
from eegora.results.windows import holds_windows, load_windows
from eegora.spec import ModelCode, ModelSpec
from eegora.tasks.allowed import check_able, untrained_notes
from eegora.tasks.decode import decoded
from eegora.tasks.embed import Written, embed_to, one_way
from eegora.tasks.many import Refused, embed_sources
from eegora.tasks.ready_made import check_as_made, note_foreign
from eegora.tasks.repair import mend
from eegora.tasks.run import inputs_of, outlook, run_portions
from eegora.tasks.vocabulary import fit_channels, note_unseen, with_ways_on
from eegora.windows import Windows

if TYPE_CHECKING:
    import torch

    from eegora.recordings.source import Source
    from eegora.signal import Signal, Trials
    from eegora.stream import Stream


class Model:
    """One model with a checkpoint, on a device. Made by `load_model`.

    Attributes
    ----------
    spec : ModelSpec
    variant : str
        Name of the variant, or ``custom`` for a configuration that nobody published.
    config : dict
    network : torch.nn.Module
    device : Device
    untrained : bool
        True if its parameters are random, or made up by the rule of synthetic checkpoints.
    checkpoint : dict
        Where the parameters come from: source, name, sha256, licence.
    tasks : tuple of str
        What this checkpoint can do.
    doubts : dict of str to str
        What it could do with parameters that were never trained, each with the reason.
    notes : tuple of str
        What a careful user wants to know about the checkpoint.

    Examples
    --------
    >>> model = eegora.load_model("luna-base")  # doctest: +SKIP
    >>> model.embed("recording.edf").pool("window").to_table()  # doctest: +SKIP
    """

    def __init__(
        self,
        spec: ModelSpec,
        code: ModelCode,
        loaded: Any,
        *,
        variant: str,
        device: Device,
        checkpoint: dict[str, Any],
        doubts: Mapping[str, str] | None = None,
        classes: tuple[str, ...] = (),
    ) -> None:
        self.spec, self.variant, self.device, self.checkpoint = spec, variant, device, checkpoint
        self.config: dict[str, Any] = loaded.config
        self.network: torch.nn.Module = loaded.network
        self.coverage = loaded.coverage
        self.notes: tuple[str, ...] = loaded.notes
        self.classes = classes
        self.doubts = dict(doubts or {})
        self.tasks = tuple(task for task in code.tasks(loaded.config) if task not in self.doubts)
        self.untrained = checkpoint["source"] == "untrained" or loaded.synthetic
        self._code = code

    def __repr__(self) -> str:
        """Return the model, its device and its checkpoint in one line."""
        return f"<Model {self.spec.name}-{self.variant} on {self.device.name}, {self.checkpoint['name']}>"

    def recipe(self, how: Preparation | None = None) -> Recipe:
        """Return the recipe that will run: one of the model's by name, one from a TOML file, or the default.

        Raises
        ------
        UsageError
            ``unknown_recipe`` with the names there are; ``bad_recipe``.
        """
        how = how or Preparation()
        variant = self.spec.variant(self.variant)
        recipe = registry.find_recipe(self.spec, how.recipe or (variant.recipe if variant else None))
        return how.applied(recipe)

    def window_seconds(self, how: Preparation | None = None) -> float:
        """Return the length of the windows that a recipe cuts.

        Raises
        ------
        UsageError
            ``bad_recipe`` if it depends on the recording's rate; as `recipe`.
        """
        recipe = self.recipe(how)
        if recipe.window_seconds is None:
            raise UsageError(
                "bad_recipe",
                f"recipe {recipe.name} cuts windows of a number of samples at any rate; wanted seconds",
                hint="give its cut step seconds, or a resample step with a rate before it",
            )
        return recipe.window_seconds

    def prepare(
        self,
        source: Source,
        how: Preparation | None = None,
        *,
        task: str = "embed",
        watch: Watch | None = None,
    ) -> Windows:
        """Bring a recording into the model's form.

        Parameters
        ----------
        source : path, mne Raw, mne Epochs, (array, ch_names, sfreq[, unit]), Signal, Stream or Windows
            Windows, also from a file that `eegora recipe run` wrote, are taken as they are. Arrays are (n_channels, n_times), in volts unless a unit is given. A path or
            a Raw that is too large for `Preparation.room` is worked through in pieces.
        how : Preparation, optional
        task : str
            What it is for: some tasks take only the channels of a vocabulary.
        watch : callable, optional
            Called with every step and what it made.

        Raises
        ------
        RecordingError, ChannelError, UsageError
        """
        how = how or Preparation()
        own = self._code.vocabulary
        vocabulary = own(self._settings(how), task) if own else self.spec.vocabulary.get(task)
        if isinstance(source, str | Path) and holds_windows(source):
            source = load_windows(source)
        if isinstance(source, Windows):
            windows = note_foreign(source, self.spec)
            check_as_made(windows, self.spec, how, may_drop=vocabulary is not None)
        else:
            from eegora.recordings.source import prepare_source

            recipe, found = self.recipe(how), list[str]()

            def run(part: Signal | Stream | Trials) -> Windows:
                found.extend(part.ch_names)
                return prepare(part, recipe, missing=how.missing, unknown=how.unknown, watch=watch, room=how.room)

            try:
                windows = prepare_source(
                    source,
                    run,
                    exclude=how.exclude,
                    room=how.room,
                    reading=how.reading,
                )
            except ChannelError as error:
                raise with_ways_on(error, self.spec, vocabulary, found) from None
            doubt = self.spec.recipe_doubt(task, recipe, chosen=how.recipe is not None)
            notes = (*windows.notes, *how.remarks(recipe, windows), *([f"{doubt}: --recipe NAME"] if doubt else []))
            windows = replace(windows, notes=notes, choices={**windows.choices, **how.choices})
        windows = fit_channels(windows, self.spec, vocabulary, task, how.unknown)
        return note_unseen(windows, self.spec, task)

    def embed(
        self,
        source: Source,
        how: Preparation | None = None,
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Embeddings:
        """Embed a recording.

        Parameters
        ----------
        source, how
            As in `prepare`.
        batch_size : int, optional
            Windows per run; results do not depend on it beyond rounding.
        progress : callable, optional
            Called with the windows done and the windows in all.

        Returns
        -------
        Embeddings
            Axes as the model's spec names them; `pool` makes one vector per window.
        """
        how = how if self._code.decode else one_way(how)
        windows = self.prepare(source, how)
        return self.embeddings(windows, self.answer("embed", windows, how, Pace(batch_size, progress)), how)

    def embed_to(
        self,
        source: Source,
        path: str | Path,
        how: Preparation | None = None,
        *,
        pooling: str | None = None,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Written:
        """Embed a recording into a file: what `embed` and `save` give, in memory that does not grow with the recording.

        Parameters
        ----------
        source, how, batch_size, progress
            As in `embed`.
        path : str or Path
            ``.parquet`` is written as results come. ``.safetensors`` and ``.npz`` need them all at once, and are
            refused where they would take more than `Preparation.room` allows.
        pooling : str, optional
            As in `Embeddings.pool`; nothing is computed that it leaves out.

        Raises
        ------
        UsageError
            ``too_large``; as `Embeddings.save`.
        """
        return embed_to(self, source, path, how, Pace(batch_size, progress), pooling)

    def embeddings(self, windows: Windows, data: np.ndarray, how: Preparation | None) -> Embeddings:
        """Return a result with its axes labelled and its record."""
        labels = self._code.labels
        return Embeddings(
            data=data,
            axes=self.spec.axes,
            onsets=windows.onsets,
            seconds=windows.seconds,
            ch_names=windows.ch_names,
            flags=windows.flags,
            provenance=self.provenance("embed", windows, how),
            poolings=dict(self.spec.poolings),
            labels=labels(windows, self._settings(how)) if labels else {},
            windows=without_samples(windows) if self._code.decode else None,
        )

    def embed_many(
        self,
        sources: Sequence[Source],
        how: Preparation | None = None,
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
        on_error: Refused | None = None,
    ) -> list[Embeddings]:
        """Embed several recordings, of whatever lengths and channels; windows of equal shape share batches.

        Parameters
        ----------
        sources : sequence of what `embed` takes
            All are prepared before the network runs: their windows have to fit into memory together.
        how, batch_size, progress
            As in `embed`.
        on_error : callable, optional
            Called with the number and the error of each source that cannot be used, which is then left out.

        Returns
        -------
        list of Embeddings
            One per source, with its own axes, names and record: what `embed` gives for it, but for rounding.

        Raises
        ------
        EegoraError
            Of the first source that cannot be used, with its number, unless `on_error` takes it.
        """
        return embed_sources(self, sources, how, Pace(batch_size, progress), on_error)

    def reconstruct(
        self,
        source: Source,
        how: Preparation | None = None,
        *,
        mask: np.ndarray | None = None,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Reconstruction:
        """Let the model say what every channel looks like.

        Parameters
        ----------
        source, how, batch_size, progress
            As in `embed`.
        mask : ndarray of bool, broadcastable to (n_windows, n_channels, n_times), optional
            Cells that the model must not see.

        Returns
        -------
        Reconstruction
            In model units and, by `volts` and `to_raw`, in volts of the windows' own channels.
        """
        windows = self.prepare(source, how, task="reconstruct")
        if mask is not None:
            windows = replace(windows, missing=cells_of(mask, windows.data.shape))
        data = self.answer("reconstruct", windows, how, Pace(batch_size, progress))
        return Reconstruction(data=data, windows=windows, provenance=self.provenance("reconstruct", windows, how))

    def decode(
        self,
        embeddings: Embeddings | str | Path,
        how: Preparation | None = None,
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Reconstruction:
        """Bring embeddings back to signal, as `reconstruct` of the recording with the same seed and steps gives it.

        Parameters
        ----------
        embeddings : Embeddings or path
            Unpooled, of this model; a file is .safetensors or .npz.
        how : Preparation, optional
            Its settings count; default: those that the embeddings were made with.
        batch_size, progress
            As in `embed`.
        """
        return decoded(self, self._code.decode, embeddings, how, Pace(batch_size, progress))

    def classify(
        self,
        source: Source,
        how: Preparation | None = None,
        *,
        classes: Sequence[str] = (),
        multilabel: bool = False,
        allow_untrained: bool = False,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Classification:
        """Give class probabilities per window, with a checkpoint that was fine-tuned for a task.

        Parameters
        ----------
        source, how, batch_size, progress
            As in `embed`.
        classes : sequence of str, optional
            Names of the classes; default: the checkpoint's own, else ``class 0`` ….
        multilabel : bool
            Sigmoid per class instead of softmax over classes; a head with one output always takes the sigmoid.
        allow_untrained : bool
            Let a head that was never trained classify too; the result says so.

        Raises
        ------
        CheckpointError
            ``no_head``; ``untrained_part`` for a head or a channel step that was never trained.
        """
        how = one_way(how)
        windows = self.prepare(source, how, task="classify")
        pace = Pace(batch_size, progress)
        logits = self.answer("classify", windows, how, pace, doubtful=allow_untrained)
        n_classes = logits.shape[-1]
        known = self._code.classes
        several = multilabel or n_classes == 1
        return Classification(
            logits=logits,
            probabilities=probabilities_of(logits, several),
            classes=class_names(n_classes, tuple(classes) or self.classes or (known(self.config) if known else ())),
            onsets=windows.onsets,
            seconds=windows.seconds,
            flags=windows.flags,
            provenance=self.provenance("classify", windows, how, multilabel=several),
            multilabel=several,
        )

    def attention(
        self,
        source: Source,
        how: Preparation | None = None,
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
    ) -> Attention:
        """Return how much the model looks at each channel: (window, patch, query, channel)."""
        windows = self.prepare(source, how, task="attention")
        data = self.answer("attention", windows, how, Pace(batch_size, progress))
        return Attention(
            data=data,
            ch_names=windows.ch_names,
            onsets=windows.onsets,
            seconds=windows.seconds,
            provenance=self.provenance("attention", windows, how),
        )

    def repair(
        self,
        source: Source,
        how: Preparation | None = None,
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
        **wanted: Any,
    ) -> Repair:
        """Fill the bad cells of a recording; every other sample stays its own, to the bit.

        Parameters
        ----------
        source : path, mne Raw, (array, ch_names, sfreq[, unit]) or Signal
        how, batch_size, progress
            As in `embed`.
        **wanted
            What is bad and how to fill it: ``bads``, ``spans``, ``mask_files``, ``draws`` …, and settings such as ``steps``,
            ``cfg`` and ``seed``; an unknown name lists the ones there are.

        Returns
        -------
        Repair
        """
        return mend(self, self._code.repair, "repair", source, how, wanted, Pace(batch_size, progress))

    def upsample(
        self,
        source: Source,
        how: Preparation | None = None,
        *,
        batch_size: int | None = None,
        progress: Progress | None = None,
        **wanted: Any,
    ) -> Repair:
        """Add electrodes to a recording: ``add`` their names, or how many channels there are to be; else as `repair`."""
        return mend(self, self._code.upsample, "upsample", source, how, wanted, Pace(batch_size, progress))

    def inputs(self, windows: Windows, how: Preparation | None = None) -> dict[str, np.ndarray]:
        """Return the tensors that go into the network for these windows, one entry per window each."""
        return inputs_of(self._code, windows, self._settings(how))

    def _settings(self, how: Preparation | None) -> dict[str, Any]:
        """Lay the settings of a call over the configuration.

        Raises
        ------
        UsageError
            ``unknown_setting`` with the names there are.
        """
        given = how.settings if how else {}
        self.spec.check_settings(given)
        return {**self.config, **given}

    def answer(self, task: str, windows: Windows, how: Preparation | None, pace: Pace, **given: Any) -> np.ndarray:
        """Return what a task's function makes of windows, and of what else is given for each: first axis window."""
        return np.concatenate(list(self.batches(task, windows, how, pace, **given)))

    def batches(
        self,
        task: str,
        windows: Windows,
        how: Preparation | None,
        pace: Pace,
        *,
        doubtful: bool = False,
        **given: Any,
    ) -> Iterator[np.ndarray]:
        """Yield what `answer` returns, some windows at a time, in order. With `doubtful` also by parameters never trained."""
        function = self.able(task, getattr(self._code, task), doubtful=doubtful)
        run, settings = partial(function, self.network), self._settings(how)
        return run_portions(self._code, task, run, windows, settings, self.device, pace, given)

    def outlook(self, task: str, windows: Windows, how: Preparation | None = None, n_draws: int = 1) -> Outlook:
        """Return what running a task on these windows means, with an estimate of time where the model counts its work."""
        return outlook(self._code, task, windows, self._settings(how), self.device, n_draws)

    def able(self, task: str, function: Callable[..., Any] | None, *, doubtful: bool = False) -> Callable[..., Any]:
        """Return a task's function, or say which models or checkpoints have it; `doubtful`: with random parameters too."""
        check_able(self, task, function is not None, doubtful=doubtful)
        return cast(Callable[..., Any], function)

    def provenance(self, task: str, windows: Windows, how: Preparation | None, **options: Any) -> Provenance:
        """Return the record of a result made of these windows."""
        return Provenance(
            recording=windows.path or windows.name,
            model=self.spec.name,
            variant=self.variant,
            task=task,
            checkpoint=self.checkpoint,
            untrained=self.untrained or task in self.doubts,
            recipe=windows.recipe,
            plan=windows.plan,
            not_undone=windows.not_undone,
            device=f"{self.device.name} ({self.device.reason})",
            dtype=self.device.dtype,
            notes=(*self.notes, *windows.notes, *untrained_notes(self, task)),
            options={**windows.choices, **(how.settings if how else {}), **options},
        )
