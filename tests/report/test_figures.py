import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.text import Text

from eegora.report import figures
from eegora.report.head import flat_positions
from eegora.report.panels import spectrum
from eegora.report.style import UNTRAINED_NOTE

TIMINGS = {"read": 0.5, "prepare": 1.0, "run the network": 2.5}


def texts(figure):
    return [t.get_text() for t in figure.findobj(Text) if t.get_text() and t.get_visible()]


def demo(signal, windows, attention, untrained=False):
    return figures.demo_figure(signal, windows, attention, "agora small", untrained=untrained)


def test_the_demo_picture_is_a_png_of_its_size(signal, windows, attention, tmp_path):
    path = tmp_path / "new" / "demo.png"
    figures.demo_picture(
        path, signal=signal, windows=windows, attention=attention, title="agora small", untrained=False
    )
    assert imread(path).shape == (1200, 1600, 4)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [p.name for p in path.parent.iterdir()] == ["demo.png"]


def test_the_same_data_give_the_same_bytes(signal, windows, attention, tmp_path):
    how = {"signal": signal, "windows": windows, "attention": attention, "title": "agora", "untrained": False}
    one, other = (figures.demo_picture(tmp_path / name, **how).read_bytes() for name in ("a.png", "b.png"))
    assert one == other


def test_the_picture_says_what_a_scientist_would_ask(signal, windows, attention):
    said = texts(demo(signal, windows, attention))
    for text in (
        "agora small",
        "night.edf: 5 channels, 200 Hz, 20 s   →   4 windows of 5 s, 3 rows, 256 Hz",
        "Recording (first 12 s, as recorded; red: marked bad)",
        "BAD_move",
        "BAD_muscle",
        "Channel plan (1 kept, 2 derived, 1 dropped)",
        "50 Hz mains",
        "recorded, 5 channels at 200 Hz",
        "prepared, 3 rows at 256 Hz, back in µV",
        "query 2",
        "FP1-F7 70.0%\nF7-T3 20.0%\nCZ 10.0%",
    ):
        assert text in said, text
    assert "late" not in said  # after the stretch that is shown
    assert "60 Hz mains" not in said
    assert any("Dropped (not in the recipe): Oz." in text for text in said)
    assert any(text.endswith("µV") and text[0].isdigit() for text in said)  # the scale bar


def test_attention_is_never_shown_for_an_untrained_checkpoint(signal, windows, attention):
    untrained = texts(demo(signal, windows, attention, untrained=True))
    assert figures.NOT_SHOWN in untrained
    assert not any("query" in text for text in untrained)
    trained = texts(demo(signal, windows, attention))
    assert not any("untrained" in text for text in trained)
    assert figures.NOT_COMPUTED in texts(demo(signal, windows, None))


def test_no_words_overlap_in_the_picture(signal, windows, attention):
    figure = demo(signal, windows, attention)
    figure.canvas.draw()
    drawn = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible() and t.get_zorder() < 5]
    boxes = [(t.get_text(), t.get_window_extent()) for t in drawn]
    boxes = [(text, box) for text, box in boxes if box.x1 > 0 and box.y1 > 0]
    for i, (one, a) in enumerate(boxes):
        assert a.x0 >= 0, one
        assert a.x1 <= 1600, one
        for other, b in boxes[i + 1 :]:
            apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
            assert apart or one == other, (one, other)


@pytest.mark.parametrize("n", [1, 3, 4, 6, 8])
def test_any_number_of_queries_has_a_map_each(signal, windows, attention, n):
    data = np.random.default_rng(0).dirichlet(np.ones(3), size=(4, 2, n)).astype(np.float32)
    said = texts(demo(signal, windows, replace(attention, data=data)))
    assert [t for t in said if t.startswith("query ")] == [f"query {i + 1}" for i in range(n)]


def test_channels_without_a_place_and_silence_do_not_stop_it(signal, windows, attention):
    nowhere = np.full((5, 3), np.nan)
    names = ("A", "B", "C", "D", "E")
    silent = replace(signal, data=np.zeros((5, 100)), ch_names=names, ch_pos=nowhere, annotations=(), bads=())
    alone = replace(windows, ch_names=names[:3], ch_pos=nowhere[:3], data=np.zeros_like(windows.data))
    said = texts(demo(silent, alone, replace(attention, ch_names=names[:3])))
    assert "no channel has a known position" in said


def test_the_head_is_seen_from_above_nose_up():
    flat = dict(zip(("Cz", "Fpz", "Oz", "T7", "T8"), flat_positions(("Cz", "Fpz", "Oz", "T7", "T8")), strict=True))
    np.testing.assert_allclose(flat["Cz"], 0, atol=0.02)
    np.testing.assert_allclose(flat["Fpz"], [0, 0.8], atol=0.03)
    np.testing.assert_allclose(flat["Oz"], [0, -0.8], atol=0.03)
    assert flat["T7"][0] < -0.75
    assert flat["T8"][0] > 0.75
    assert np.isnan(flat_positions(("nowhere",))).all()


def test_a_spectrum_has_its_power_where_the_sine_is():
    times = np.arange(2000) / 200
    frequencies, power = spectrum(np.sin(2 * np.pi * 10 * times)[None, None], 200.0)
    assert frequencies[power[0].argmax()] == 10.0
    assert power.sum() * (frequencies[1] - frequencies[0]) == pytest.approx(0.5, rel=0.01)


def test_embedding_charts_have_fixed_names(embeddings, tmp_path):
    paths = figures.embed_figures(tmp_path / "charts", embeddings, TIMINGS)
    assert [p.name for p in paths] == ["timing.png", "window_statistics.png", "distribution.png", "dimensions.png"]
    for path in paths:
        height, width, _ = imread(path).shape
        assert width > 600
        assert height > 250


def test_reconstruction_charts_have_fixed_names(reconstruction, tmp_path):
    paths = figures.reconstruct_figures(tmp_path / "charts", reconstruction, TIMINGS)
    assert [p.name for p in paths] == ["timing.png", "waveforms.png", "window_statistics.png", "rmse.png"]
    assert all(imread(path).shape[1] > 600 for path in paths)


def test_every_chart_says_untrained_and_only_then(embeddings, reconstruction, untrained, monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "save_png", lambda figure, path: drawn.append(figure) or path)
    figures.embed_figures("nowhere", embeddings, TIMINGS)
    figures.reconstruct_figures("nowhere", reconstruction, TIMINGS)
    assert len(drawn) == 8
    assert not any(UNTRAINED_NOTE in texts(figure) for figure in drawn)
    drawn.clear()
    figures.embed_figures("nowhere", replace(embeddings, provenance=untrained), TIMINGS)
    figures.reconstruct_figures("nowhere", replace(reconstruction, provenance=untrained), TIMINGS)
    assert len(drawn) == 8
    assert all(UNTRAINED_NOTE in texts(figure) for figure in drawn)


def test_the_charts_show_the_numbers(embeddings, reconstruction):
    timing = figures.timing_figure(TIMINGS, "agora", untrained=False)
    assert {"read", "2.5 s", "agora: time by phase, 4 s in all"} <= set(texts(timing))
    waves = figures.waveform_figure(reconstruction, "agora")
    lines = {line.get_label(): line for line in waves.axes[0].lines}
    assert np.array_equal(lines["input"].get_ydata(), reconstruction.windows.data[0, 0])
    assert np.array_equal(lines["output"].get_ydata(), reconstruction.data[0, 0])
    stats = figures.window_figure(embeddings.data, embeddings.onsets, "agora", untrained=False)
    flat = embeddings.data.reshape(4, -1).astype(float)
    for axes, wanted in zip(stats.axes, (flat.mean(1), flat.std(1), np.linalg.norm(flat, axis=1)), strict=True):
        np.testing.assert_allclose(axes.lines[0].get_ydata(), wanted)
    dims = figures.dimension_figure(embeddings.data, "agora", untrained=False)
    heights = [bar.get_height() for bar in dims.axes[0].patches]
    np.testing.assert_allclose(heights, embeddings.data.reshape(-1, 8).astype(float).mean(0))


def test_no_windows_give_empty_charts(embeddings, reconstruction, tmp_path):
    none = replace(embeddings, data=embeddings.data[:0], onsets=embeddings.onsets[:0])
    assert len(figures.embed_figures(tmp_path, none, {})) == 4
    empty = replace(reconstruction, data=reconstruction.data[:0], windows=reconstruction.windows.take(slice(0)))
    assert len(figures.reconstruct_figures(tmp_path, empty, {})) == 4


def test_importing_figures_does_not_import_matplotlib():
    script = "import sys, eegora.report.figures; print([m for m in ('matplotlib', 'mne', 'torch') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_drawing_leaves_no_global_figure_behind(signal, windows, attention):
    demo(signal, windows, attention)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []
