"""``--score`` of ``eegora repair``: options, what is said, and the files beside the output. The work is `compare`'s."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from eegora.cli.options import result_path, words
from eegora.cli.session import Session
from eegora.errors import UsageError

if TYPE_CHECKING:
    from eegora.compare.hiding import Wish
    from eegora.model import Model
    from eegora.preparation import Preparation
    from eegora.results.score import Score
    from eegora.signal import Signal

REPORTS = (".html", ".png")


@dataclass(frozen=True)
class ScoreOptions:
    """Whether good channels are hidden to see how well they come back, and which."""

    score: Annotated[
        bool, typer.Option("--score", help="Hide good channels, bring them back, say how well; changes no output.")
    ] = False
    hide: Annotated[
        list[str] | None,
        typer.Option(metavar="N|A,B|all", help="Whole channels to hide: how many, or which; each once. Default: all."),
    ] = None
    hide_regions: Annotated[int, typer.Option(min=0, help="Groups of four neighbouring electrodes to hide.")] = 0
    hide_spans: Annotated[int, typer.Option(min=0, help="Stretches of single channels to hide.")] = 0
    hide_gaps: Annotated[int, typer.Option(min=0, help="Stretches of all channels to hide.")] = 0
    span_seconds: Annotated[float, typer.Option(help="Length of a hidden stretch.")] = 1.0
    score_seconds: Annotated[float, typer.Option(help="How much of the recording is tried, at most.")] = 60.0
    runs: Annotated[int, typer.Option(min=1, help="Runs of the model over it, at most: channels share them.")] = 8
    hide_seed: Annotated[int, typer.Option(help="Chooses what is hidden.")] = 0
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The score as a page (.html) or a picture (.png).")
    ] = None

    def wish(self) -> Wish:
        """Return what to hide."""
        from eegora.compare.hiding import Wish

        named = words(self.hide)
        channels: int | tuple[str, ...] | str | None = named or None
        if len(named) == 1 and (named[0].isdigit() or named[0] == "all"):
            channels = int(named[0]) if named[0].isdigit() else "all"
        numbers = (self.hide_regions, self.hide_spans, self.hide_gaps, self.span_seconds, self.runs, self.score_seconds)
        return Wish(channels, *numbers, seed=self.hide_seed)

    def check(self) -> None:
        """Refuse options that say nothing without ``--score``, numbers that mean nothing, and reports of an unknown kind."""
        given = [name for name, value in vars(self).items() if value != getattr(ScoreOptions(), name)]
        if given and not self.score:
            raise UsageError("bad_options", f"--{given[0].replace('_', '-')} is about --score", hint="add --score")
        if self.report is not None and self.report.suffix.lower() not in REPORTS:
            raise UsageError("unknown_suffix", f"{self.report}: no such report", hint=f"use {' or '.join(REPORTS)}")
        self.wish()


class Scoring:
    """The score of one repair: its files, before any work; its plan and its time, before the long work; its run."""

    def __init__(self, options: ScoreOptions, session: Session, output: Path, source: Path) -> None:
        options.check()
        self.options, self.session, self.files = options, session, []
        if options.score:
            stem = re.sub(r"(_desc-[^_]*)?(_raw|_eeg)?$", "", output.stem)
            wanted = [output.with_name(f"{stem}_desc-score{ending}") for ending in (".json", ".parquet")]
            wanted += [options.report] if options.report is not None else []
            self.files = [result_path(path, "", session.output.overwrite, source) for path in wanted]

    def plan(self, signal: Signal, model: Model, how: Preparation, wanted: Mapping[str, Any]) -> None:
        """Choose what will be hidden, and say how long it takes."""
        from eegora.compare.trial import prepare_trial, seconds_needed
        from eegora.preparation import roughly

        if not self.options.score:
            return
        if wanted["mask_files"]:
            raise UsageError("bad_options", "--score cannot tell what a mask file calls bad", hint="--span, not --mask")
        asked = {name: value for name, value in wanted.items() if name != "mask_files"}
        self.trial = prepare_trial(signal, model, self.options.wish(), how, **asked)
        with self.session.phase("estimate the time of the score"):
            seconds = seconds_needed(self.trial, model)
        n_hidden = sum(len(run) for run in self.trial.runs)
        tried = f"{n_hidden} hidden in {len(self.trial.runs)} runs over {self.trial.signal.seconds:g} s"
        self.session.note(f"the score takes {roughly(seconds)}: {tried}")

    def run(self, model: Model) -> dict[str, Any]:
        """Score, save and tell; return what the command's record says of it."""
        from eegora.compare.trial import run_trial

        if not self.options.score:
            return {}
        with self.session.phase("score"), self.session.progress("scoring") as progress:
            score = run_trial(self.trial, model, progress)
        with self.session.phase("save the score"):
            for path in self.files:
                if path.suffix.lower() in REPORTS:
                    _report(score, path)
                else:
                    score.save(path)
        _tell(score, self.session)
        return {"score": {"files": [str(path) for path in self.files], **score.to_dict()}}


def _report(score: Score, path: Path) -> None:
    from eegora.report.page import save_page
    from eegora.report.score_figures import score_picture, score_sections

    if path.suffix.lower() == ".png":
        score_picture(path, score)
    else:
        save_page(path, f"How well {score.model} repairs {score.provenance.recording}", score_sections(score))


def _tell(score: Score, session: Session) -> None:
    """Print the table and the sentence where people read."""
    from eegora.report.score_tables import channel_table, score_table
    from eegora.report.tables import show

    if not session.output.as_json and not session.output.quiet:
        kinds = [kind for kind in score.kinds if kind != "gap" or session.output.verbose]  # gaps have every channel
        if kinds:
            show(channel_table(score, kinds), wide=True)
        show(score_table(score.summary("area"), "area"), wide=True)
        show(score_table(score.summary(), "kind"), wide=True)
        typer.echo(score.conditions)
        typer.echo(score.sentence)
