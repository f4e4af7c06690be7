"""What a model folder hands to the house: facts as data (ModelSpec) and functions (ModelCode). Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from eegora.checkpoints.published import Published
from eegora.checkpoints.rename import Rename
from eegora.errors import UsageError
from eegora.recipes.recipe import Recipe
from eegora.results.pooling import Pooling

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from eegora.results.repair import Mended
    from eegora.signal import Array, Signal
    from eegora.windows import Windows

Config = Mapping[str, Any]
Shapes = Mapping[str, tuple[int, ...]]
# Published key → (shape, rule that fills a synthetic one). The rule "constant" marks a tensor that a file may leave out.
Layout = dict[str, tuple[tuple[int, ...], str]]
Inputs = dict[str, "torch.Tensor"]
Tensors = dict[str, "torch.Tensor"]
# A checkpoint's tensors: as a rule views of the mapped file, so that one asks for them by name and does not hold them all.
Stored = Mapping[str, "torch.Tensor"]
# (windows, rows of those to run, number of the draw) → what the model makes of these rows
Run = Callable[["Windows", "NDArray[np.intp]", int], "Array"]

TASKS = ("embed", "reconstruct", "decode", "classify", "repair", "upsample", "attention")
PHRASES = {"attention": "show attention"}  # of tasks whose name is no verb
SAMPLED = ("reconstruct", "decode")  # what `ModelCode.drawn` is for


def act(task: str) -> str:
    """Return a task as a verb, for sentences."""
    return PHRASES.get(task, task)


@dataclass(frozen=True)
class Variant:
    """One size of a model.

    Parameters
    ----------
    name : str
    config : dict
        The configuration's fields that make it this variant; a checkpoint's head may add others.
    published : Published or None
        Where its checkpoint can be had; None if nowhere.
    parameters : int
        Numbers in the published layout.
    trained : tuple of str
        Tasks whose parameters the published checkpoint holds; the others need a checkpoint of the user's own.
    recipe : str or None
        Name of its default recipe, where it is not the model's first.
    """

    name: str
    config: Config
    published: Published | None
    parameters: int
    trained: tuple[str, ...]
    recipe: str | None = None


@dataclass(frozen=True)
class Amplitude:
    """How large the samples of a model's training data were.

    Parameters
    ----------
    source : str
    std_uv : tuple of float or None
        Between which a row's standard deviation lay, about; microvolts.
    peak_uv : float or None
        Which no sample of a window reached.
    """

    source: str
    std_uv: tuple[float, float] | None = None
    peak_uv: float | None = None


@dataclass(frozen=True)
class ModelSpec:
    """What a model is, as data.

    Parameters
    ----------
    name, title, paper, summary : str
    variants : tuple of Variant
        The first is the one that examples use.
    recipes : tuple of Recipe
        The first is the default.
    tasks : tuple of str
        Tasks that the code offers.
    axes : tuple of str
        Axes of `embed`'s result; the first is ``window``, the last ``feature``.
    poolings : dict of str to Pooling
        By name; the first is the default of tables.
    vocabulary : dict of str to tuple of str
        Task → the only channel names it takes; a task that is absent takes any.
    unseen : dict of str to tuple of str
        Task → channel names whose parameters the published checkpoint never trained: taken, with a note.
    electrodes : dict of str to tuple of str
        Named channel sets of the model's training data.
    parts : dict of str to tuple of str
        Task → switches of the configuration that leave out of the network what this task does not need.
    settings : tuple of str
        Fields of the configuration that a call may set; the others make the network, and are fixed when it is loaded.
    amplitude : Amplitude or None
        Of the training data; None where nobody says, or every window is normalised.
    finetuned : tuple of str
        Names of the recipes that published fine-tuning used.
    """

    name: str
    title: str
    paper: str
    summary: str
    variants: tuple[Variant, ...]
    recipes: tuple[Recipe, ...]
    tasks: tuple[str, ...]
    axes: tuple[str, ...]
    poolings: Mapping[str, Pooling]
    vocabulary: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unseen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    electrodes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    amplitude: Amplitude | None = None
    finetuned: tuple[str, ...] = ()

    def recipe_doubt(self, task: str, recipe: Recipe, *, chosen: bool) -> str:
        """Say that a fine-tuned model may want another recipe than the default; empty if one was chosen.

        Parameters
        ----------
        task : str
        recipe : Recipe
            That runs.
        chosen : bool
            Whether the user asked for it.
        """
        if task != "classify" or chosen:
            return ""
        return (
            f"prepared by the default recipe {recipe.name}: a fine-tuned model wants the one that it was trained with, which"
            f" its file does not tell; there are {', '.join(self.finetuned)}, or your own"
        )

    def check_settings(self, given: Collection[str]) -> None:
        """Refuse settings that a call cannot change.

        Raises
        ------
        UsageError
            ``unknown_setting`` with the names there are.
        """
        for name in given:
            if name not in self.settings:
                known = f"it takes {', '.join(sorted(self.settings))}" if self.settings else "it takes none"
                raise UsageError(
                    "unknown_setting",
                    f"{self.title} takes no setting {name!r} at a call; {known}",
                    hint="--set NAME=VALUE with one of them; what makes the network is told when it is loaded (--config)",
                )

    def variant(self, name: str) -> Variant | None:
        """Return a variant by name, or None."""
        return next((v for v in self.variants if v.name == name), None)


@dataclass(frozen=True)
class Answer:
    """What the numbers of a checkpoint say to a question.

    Parameters
    ----------
    question, answer : str
        The answer is a sentence.
    numbers : dict of str to float
        What it rests on.
    """

    question: str
    answer: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelCode:
    """The functions that a model folder offers. None where it has no such task.

    Parameters
    ----------
    renames : (keys of the file, config fields that the user gave) → rules
        Keys of this file's layout → the published one, or dropped with a reason; applied one after the other.
    detect : shapes (after renaming) → config
        The configuration that a checkpoint's tensors tell; it has every field that a user may set.
    layout : config → {key: (shape, rule)}
        Every tensor of the published layout: what a file must hold, and how a synthetic one is filled.
    fold : (tensors, config) → tensors
        From the published layout to the network's state; algebra that keeps the numbers, in float64.
    build : config → torch.nn.Module
        The network without parameters.
    tasks : config → tuple of str
        What a network of this configuration can do.
    pack : (windows, config and settings of the call) → dict of CPU tensors
        Everything the network needs: a leading window axis, or one of length 1 that all windows share.
    embed, reconstruct, classify, attention : (network, inputs) → tensor
        The names and shapes of the inputs decide what is computed: a function reads no value back from its device.
    decode : (network, inputs) → tensor
        As `reconstruct`, from ``latent`` among the inputs: what `embed` gave for these windows.
    drawn : (windows, config and settings of the call) → dict of CPU tensors
        What `reconstruct` and `decode` need beside `pack`'s: noise and the like.
    own_length : bool
        A window that is shorter than the others runs at its own length: `pack` gets windows of one length.
    repair, upsample : (signal, recipe, what is wanted, run) → a repaired recording
        Whole recordings; `run` takes some of all windows, and the number of a draw, through `reconstruct`.
    work : (task, windows, config and settings of the call) → float
        Floating-point operations, where they are many: for an estimate of time, and to run large windows one by one.
    trace : (network, inputs, task) → {stage: tensor}
        Under the reference vectors' names.
    remarks : (tensors, config) → tuple of str
        What a careful user wants to know about a checkpoint's contents.
    labels : (windows, config and settings of the call) → {axis: names}
        Names for the entries of the axes between ``window`` and ``feature``.
    vocabulary : (config, task) → tuple of str or None
        The only channel names that a task takes, where that depends on the configuration; else `ModelSpec.vocabulary`.
    own_input : config → (n_channels or None, n_times or None)
        The only input that a checkpoint's own channel step and head take; None where any number will do.
    classes : config → tuple of str
        Names of a known head's outputs.
    trusted : (fields of the config.json beside a checkpoint, detected config) → the fields to believe, remarks
        None: all of them.
    tuned : (tensors, config) → {part: its tensors}
        What only fine-tuning trains, by name, as ``classification head``: a file that was not fine-tuned may hold a random one.
    examine : (tensors, config) → findings
        Questions that a checkpoint's numbers answer, asked by `eegora verify`.
    publish : tensors (after renaming) → tensors
        In the layout of the published checkpoints, where renaming alone does not lead there.
    """

    renames: Callable[[Collection[str], Config], tuple[Rename, ...]]
    detect: Callable[[Shapes], dict[str, Any]]
    layout: Callable[[Config], Layout]
    fold: Callable[[Stored, Config], Tensors]
    build: Callable[[Config], torch.nn.Module]
    tasks: Callable[[Config], tuple[str, ...]]
    pack: Callable[[Windows, Config], Inputs]
    embed: Callable[[torch.nn.Module, Inputs], torch.Tensor]
    trace: Callable[[torch.nn.Module, Inputs, str], Tensors]
    remarks: Callable[[Stored, Config], tuple[str, ...]] | None = None
    labels: Callable[[Windows, Config], Mapping[str, tuple[str, ...]]] | None = None
    vocabulary: Callable[[Config, str], tuple[str, ...] | None] | None = None
    own_input: Callable[[Config], tuple[int | None, int | None]] | None = None
    classes: Callable[[Config], tuple[str, ...]] | None = None
    trusted: Callable[[Config, Config], tuple[dict[str, Any], tuple[str, ...]]] | None = None
    tuned: Callable[[Stored, Config], Mapping[str, Stored]] | None = None
    examine: Callable[[Stored, Config], tuple[Answer, ...]] | None = None
    publish: Callable[[Stored], Tensors] | None = None
    drawn: Callable[[Windows, Config], Inputs] | None = None
    own_length: bool = False
    reconstruct: Callable[[torch.nn.Module, Inputs], torch.Tensor] | None = None
    decode: Callable[[torch.nn.Module, Inputs], torch.Tensor] | None = None
    classify: Callable[[torch.nn.Module, Inputs], torch.Tensor] | None = None
    attention: Callable[[torch.nn.Module, Inputs], torch.Tensor] | None = None
    repair: Callable[[Signal, Recipe, Mapping[str, Any], Run], Mended] | None = None
    upsample: Callable[[Signal, Recipe, Mapping[str, Any], Run], Mended] | None = None
    work: Callable[[str, Windows, Config], float] | None = None

    def packed(self, task: str, windows: Windows, config: Config) -> Inputs:
        """Return all inputs of a task's function: `pack`'s, and `drawn`'s where it samples."""
        inputs = self.pack(windows, config)
        return inputs | self.drawn(windows, config) if self.drawn is not None and task in SAMPLED else inputs


class ReferenceCase(Protocol):
    """What a folder's ``reference.run_case`` sees of a reference vectors' case."""

    @property
    def task(self) -> str:
        """What to run."""

    @property
    def options(self) -> Mapping[str, Any]:
        """What the caller must set."""
