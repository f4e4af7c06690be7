"""A page for people: sections of text, tables and figures as one HTML file that needs nothing beside it, by MNE's Report. Computes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eegora.results.storage import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Parameters
    ----------
    title : str
    content : str or Figure
        HTML, or a figure.
    """

    title: str
    content: str | Figure


def save_page(path: str | Path, title: str, sections: Iterable[Section]) -> Path:
    """Write a page, whole or not at all.

    Raises
    ------
    UsageError
        ``cannot_write``.
    """
    import mne

    report = mne.Report(title=title, image_format="png", verbose="ERROR")
    for section in sections:
        if isinstance(section.content, str):
            report.add_html(section.content, title=section.title)
        else:
            report.add_figure(section.content, title=section.title)
    write_whole(path, lambda part: report.save(part, overwrite=True, open_browser=False, verbose="ERROR"))
    return Path(path)


def table_html(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return an HTML table of some columns; numbers to two digits, nothing where one is not defined."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(row.get(name))}</td>' for name in columns)}</tr>" for row in rows)
    style = "class='table table-sm table-striped' style='font-size:85%'"
    return (
        f"<div style='overflow-x:auto'><table {style}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return "–" if value != value else "∞" if value == float("inf") else f"{value:.2f}"
    return escape("" if value is None else str(value))
