"""How every figure looks and is saved: one size, one set of colours, whole files. Knows nothing of what is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegora.results.storage import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by colour-blind readers
INK, GREY, PALE = "#262626", "#7a7a7a", "#e6e6e6"
BLUE, ORANGE, GREEN, RED, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9"
DPI = 125
UNTRAINED_NOTE = "untrained checkpoint: the numbers mean nothing"

_RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlepad": 8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "savefig.facecolor": "white",
}


@contextmanager
def new_figure(width: float, height: float, *, untrained: bool = False) -> Iterator[Figure]:
    """Give a figure of this size (inches) in the house's style; mark it if the checkpoint is untrained."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=(width, height), dpi=DPI)
        FigureCanvasAgg(figure)
        if untrained:
            place: dict[str, Any] = {"ha": "right", "va": "top", "fontsize": 8.5, "color": GREY, "style": "italic"}
            figure.text(1 - 0.1 / width, 1 - 0.08 / height, UNTRAINED_NOTE, **place)
        yield figure


def save_png(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, whole or not at all; the same figure gives the same bytes."""
    write_whole(path, lambda part: figure.savefig(part, format="png", dpi=DPI, metadata={"Software": None}))
    return Path(path)


def bare(axes: Axes) -> None:
    """Take everything off an axes but what is drawn in it."""
    axes.set_axis_off()
    axes.set_facecolor("none")
