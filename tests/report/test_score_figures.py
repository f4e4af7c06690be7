import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread
from matplotlib.text import Text

from eegora.report import score_figures
from eegora.report.page import Section, save_page, table_html
from eegora.report.style import BLUE, ORANGE
from tests.report.conftest import METHODS, SCORED, rows_of


def texts(figure):
    return [t.get_text() for t in figure.findobj(Text)]


def test_the_figure_shows_the_numbers(score):
    figure = score_figures.score_figure(score, "channel")
    r, nmse = figure.axes[-2:]
    heights = {c.get_label(): [bar.get_height() for bar in c.patches] for c in r.containers}
    assert heights["Agora"] == pytest.approx([0.9] * 5)
    assert heights["spherical spline"] == pytest.approx([0.8] * 5)
    assert heights["zeros"] == []
    found = {c.get_label(): [bar.get_y() + bar.get_height() for bar in c.patches] for c in nmse.containers}
    assert found["Agora"] == pytest.approx([0.2, 0.3, 0.4, 0.5, 0.2])
    assert [t.get_text() for t in r.get_xticklabels()] == list(SCORED[:5])
    assert [t.get_text() for t in r.get_legend().get_texts()] == list(METHODS)


def test_an_error_of_zero_has_the_longest_bar(score):
    table = tuple({**row, "nmse": 0.0 if row["method"] == "Agora" else row["nmse"]} for row in score.table)
    nmse = score_figures.score_figure(replace(score, table=table), "channel").axes[-1]
    assert [bar.get_y() + bar.get_height() for bar in nmse.containers[0].patches] == pytest.approx([0.001] * 5)
    assert nmse.get_ylim()[0] <= 0.001


def test_traces_are_what_was_measured_and_what_came_back(score):
    figure = score_figures.score_figure(score, "channel")
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    best = next(t for t in score.traces if t.channel == "Fp1")
    np.testing.assert_allclose(lines["measured"].get_ydata(), best.truth * 1e6)
    np.testing.assert_allclose(lines["Agora"].get_ydata(), best.answers["Agora"] * 1e6)
    assert lines["measured"].get_xdata()[0] == 20.0
    assert any("Fp1   Agora r 0.90, NMSE 0.20   spherical spline r 0.80, NMSE 0.30" in t for t in texts(figure))


def test_the_map_has_the_winners_colours(score):
    figure = score_figures.score_figure(score, "channel")
    head = next(a for a in figure.axes if a.get_title(loc="left").startswith("Least error"))
    dots = {line.get_color() for line in head.lines if line.get_marker() == "o"}
    assert {to_hex(BLUE), "white"} <= dots
    told = [t.get_text() for t in head.get_legend().get_texts()]
    assert told == ["Agora: 2", "spherical spline: 1", "mean of the others: 1", "zeros: 1", "not hidden, or a tie: 1"]


def test_what_it_is_about_is_said(score):
    said = " ".join(texts(score_figures.score_figure(score, "channel")))
    assert "imputed, not measured" in said
    assert "limited to 1 to 40 Hz" in said
    assert score_figures.MEANINGLESS not in said
    untrained = score_figures.score_figure(replace(score, meaningless=True), "channel")
    assert any(score_figures.MEANINGLESS in t for t in texts(untrained))


def test_a_hidden_stretch_is_shaded(score):
    figure = score_figures.score_figure(score, "span")
    (shade,) = [p for p in figure.axes[0].patches if p.get_zorder() == 0]
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == (10.0, 11.0)


@pytest.mark.parametrize("kind", ["channel", "span"])
def test_no_words_overlap(score, kind):
    figure = score_figures.score_figure(replace(score, meaningless=True), kind)
    figure.canvas.draw()
    drawn = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible() and t.get_zorder() < 5]
    boxes = [(t.get_text(), t.get_window_extent()) for t in drawn]
    for i, (one, a) in enumerate(boxes):
        assert a.x0 >= 0, one
        assert a.x1 <= figure.bbox.width, one
        for other, b in boxes[i + 1 :]:
            apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
            assert apart or one == other, (one, other)


def test_many_channels_have_bars_of_two_methods(score):
    names = tuple(f"E{i}" for i in range(40))
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = 0.08 * np.stack([np.sin(angle), np.cos(angle), 0 * angle + 0.4], axis=-1)
    traces = tuple(replace(score.traces[0], channel=name) for name in names)
    many = replace(score, table=tuple(rows_of("channel", names, 5.0, 65.0)), traces=traces, ch_names=names, ch_pos=ring)
    figure = score_figures.score_figure(many, "channel")
    assert [c.get_label() for c in figure.axes[-1].containers] == list(METHODS[:2])
    assert to_hex(figure.axes[-1].containers[1].patches[0].get_facecolor()) == ORANGE


def test_the_page_stands_alone_and_has_everything(score, tmp_path):
    path = save_page(tmp_path / "score.html", "A score", score_figures.score_sections(score))
    page = path.read_text(encoding="utf-8")
    for words in (score.sentence, score.conditions, "Every hidden channel", "whole channels", "spans of one channel"):
        assert words in page, words
    assert page.count("data:image/png;base64,") >= 2
    assert "<script src=" not in page.replace("'", '"')
    assert [p.name for p in tmp_path.iterdir()] == ["score.html"]
    save_page(path, "Again", [Section("One", "<p>twice</p>")])
    assert "twice" in path.read_text(encoding="utf-8")


def test_the_picture(score, tmp_path):
    height, width, _ = imread(score_figures.score_picture(tmp_path / "score.png", score)).shape
    assert (width, height) == (1600, 1400)


def test_tables_spell_what_is_not_a_number(score):
    html = table_html(
        [{"name": "<b>", "a": 0.123, "b": math.nan, "c": math.inf, "d": True, "e": None}], (*"abcde", "name")
    )
    assert "<td>0.12</td><td>–</td><td>∞</td><td>yes</td><td></td><td>&lt;b&gt;</td>" in html
