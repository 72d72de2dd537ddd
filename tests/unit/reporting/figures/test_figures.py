"""Every figure: written in each form, the same bytes twice, its words in it, its data drawn."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fracturax.core.errors import ConfigError, DataError
from fracturax.reporting.figures import (
    COLUMN_MM,
    FIGURE_SUFFIXES,
    PALETTE,
    Curve,
    ForestRow,
    Mark,
    ReaderPoint,
    draw_confusion,
    draw_decision_curve,
    draw_forest,
    draw_froc,
    draw_learning_curve,
    draw_precision_recall,
    draw_readers,
    draw_reliability,
    draw_roc,
    draw_score_distributions,
    figure_bytes,
    write_figure,
)

_SPEC = importlib.util.spec_from_file_location("examples", Path(__file__).with_name("examples.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
_EXAMPLES = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_EXAMPLES)
FIGURES = _EXAMPLES.every_figure()
TWICE_AS_PDF = ("roc", "confusion", "reliability")  # fonts take a second a file


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_written_in_every_form_with_the_same_bytes_twice(name, tmp_path):
    make, texts = FIGURES[name]
    first, second = make(COLUMN_MM), make(COLUMN_MM)
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        path = write_figure(first, tmp_path / f"one{suffix}")
        content = path.read_bytes()
        assert content.startswith(start)
        if suffix != ".pdf" or name in TWICE_AS_PDF:
            assert content == figure_bytes(second, suffix)
        assert b"Date" not in content
    svg = (tmp_path / "one.svg").read_text()
    for text in texts:
        assert f">{text}<" in svg, text
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.width == pytest.approx(85 / 25.4 * 300, abs=2)
        corners = [picture.convert("L").getpixel((x, 0)) for x in (0, picture.width - 1)]
    assert corners == [255, 255]


@pytest.mark.parametrize("name", FIGURES)
def test_all_words_of_a_figure_lie_within_it(name):
    for width in (85, 170):
        figure = FIGURES[name][0](width)
        figure.canvas.draw()
        frame = figure.bbox
        for text in figure.findobj(lambda artist: hasattr(artist, "get_text")):
            if text.get_visible() and text.get_text() and text.axes is not None:
                box = text.get_window_extent()
                if text in (*text.axes.get_xticklabels(), *text.axes.get_yticklabels()):
                    continue
                inside = (
                    box.x0 >= -1,
                    box.y0 >= -1,
                    box.x1 <= frame.x1 + 1,
                    box.y1 <= frame.y1 + 1,
                )
                assert all(inside), text.get_text()


def drawn(figure, gid):
    (line,) = figure.findobj(lambda artist: artist.get_gid() == gid)
    return np.array(line.get_data())


def test_what_is_drawn_is_what_was_given():
    x, y = np.array([0, 0.2, 0.5, 1]), np.array([0, 0.6, 0.9, 1])
    curve = Curve("a", x, y, y - y * 0.1, y)
    figure = draw_roc([curve, Curve("b", x, x)], marks=[Mark("here", 0.2, 0.6)])
    assert np.array_equal(drawn(figure, "curve-1"), [x, y])
    assert np.array_equal(drawn(figure, "curve-2"), [x, x])
    assert np.array_equal(drawn(figure, "mark-1"), [[0.2], [0.6]])
    (band,) = figure.axes[0].collections
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices.round(9).tolist()}
    assert {(at, round(low, 9)) for at, low in zip(x, y * 0.9, strict=True)} <= corners
    assert {(at, high) for at, high in zip(x, y, strict=True)} <= corners
    for figure in (
        draw_precision_recall([curve], prevalence=0.3),
        draw_froc([curve]),
        draw_decision_curve([curve], treat_all=Curve("Treat all", x, y)),
        draw_learning_curve([Curve("a", x + 1, y)], y="AUROC"),
    ):
        shift = 1 if figure.axes[0].get_xscale() == "log" else 0
        assert np.array_equal(drawn(figure, "curve-1"), [x + shift, y])


def test_points_of_readers_and_bins_are_where_they_belong():
    figure = draw_readers([ReaderPoint("r", 0.7, 0.9, 0.8, 0.95), ReaderPoint("s", 0.6, 0.8)])
    assert pytest.approx(np.array([[0.1, 0.7], [0.2, 0.6]])) == drawn(figure, "alone").T
    assert pytest.approx(np.array([[0.05, 0.8]])) == drawn(figure, "aided").T
    low, high = figure.axes[0].get_ylim()
    assert low <= 0.6 < high == 1
    x = [0.1, 0.5]
    figure = draw_reliability(Curve("bins", x, [0.2, 0.4]), [0.1, 0.1, 0.9])
    assert drawn(figure, "bins").tolist() == [x, [0.2, 0.4]]
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert sum(heights) == 3
    assert heights[4] == 2


def test_shares_and_counts_are_those_of_the_data():
    figure = draw_score_distributions({"a": [0.1, 0.1, 0.9, 0.5], "b": [0.3]}, bins=10)
    (steps,) = figure.findobj(lambda artist: artist.get_gid() == "a")
    values, edges, _ = steps.get_data()
    assert values.tolist() == np.array([0, 2, 0, 0, 0, 1, 0, 0, 0, 1]).__truediv__(4).tolist()
    assert edges[[0, -1]].tolist() == [0, 1]
    figure = draw_confusion([[8, 2], [1, 3]], ["well", "sick"])
    assert figure.axes[0].collections[0].get_array().ravel().tolist() == [0.8, 0.2, 0.25, 0.75]
    figure = draw_forest([ForestRow("a", 0.8, 0.7, 0.9), ForestRow("b", 0.6)], metric="AUROC")
    lines = figure.axes[1].lines
    assert lines[0].get_xdata().tolist() == [0.7, 0.9] or list(lines[0].get_xdata()) == [0.7, 0.9]
    assert [list(line.get_xdata()) for line in lines[1:]] == [[0.8], [0.6]]


def test_names_at_the_ends_of_lines_do_not_cover_each_other():
    x = np.linspace(0, 1, 5)
    curves = [Curve(f"model {i}", x, np.full(5, 0.9 + i / 1000), note="note") for i in range(4)]
    figure = draw_froc(curves, up_to=1)
    figure.canvas.draw()
    boxes = sorted(
        (text.get_window_extent() for text in figure.axes[0].texts), key=lambda box: box.y0
    )
    for below, above in itertools.pairwise(boxes):
        assert above.y0 >= below.y1 - 1.5


def test_colours_can_be_told_apart_without_red_and_green():
    # A protanope sees the LMS response without L (Viénot, Brettel & Mollon 1999).
    to_lms = np.array(
        [[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]]
    )
    blind = np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]])
    rgb = np.array([[int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for color in PALETTE])
    seen = (rgb**2.2) @ to_lms.T @ blind.T @ np.linalg.inv(to_lms).T
    for i in range(len(seen)):
        for j in range(i):
            assert np.linalg.norm(np.clip(seen[i], 0, 1) - np.clip(seen[j], 0, 1)) > 0.1


def test_matplotlib_is_left_as_it_was_and_pyplot_unknown():
    program = (
        "import sys, fracturax.reporting.figures as f\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib; before = matplotlib.rcParams.copy()\n"
        "f.figure_bytes(f.draw_roc([f.Curve('a', [0, 1], [0, 1])]), '.svg')\n"
        "assert all(matplotlib.rcParams[k] == before[k] for k in before if k != 'backend')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_unknown_form_names_those_that_work(tmp_path):
    figure = draw_roc([Curve("a", [0, 1], [0, 1])])
    with pytest.raises(ConfigError, match=r"\.jpg.*\.png, \.svg, \.pdf"):
        write_figure(figure, tmp_path / "roc.jpg")
    with pytest.raises(ConfigError, match="no suffix"):
        write_figure(figure, tmp_path / "roc")
    with pytest.raises(ConfigError, match="folder"):
        write_figure(figure, tmp_path / "nowhere" / "roc.png")
    assert FIGURE_SUFFIXES == (".png", ".svg", ".pdf")


def test_what_cannot_be_drawn_is_refused():
    line = Curve("a", [0, 1], [0, 1])
    refused = [
        (lambda: Curve("a", [0, 1], [0]), "y of 'a' needs a row of 2 numbers"),
        (lambda: Curve("a", [0, np.nan], [0, 1]), r"x of 'a' holds what is no number; got nan in"),
        (lambda: Curve("a", [0, 1], [0, 1], low=[0, 0]), "both ends"),
        (lambda: Curve("a", [0, 1], [0, 1], [0, 1], [1, 0]), "upside down; got row 2"),
        (lambda: draw_roc([]), "no curve"),
        (lambda: draw_roc([line] * 7), "more curves"),
        (lambda: draw_roc([Curve("a", [0, 2], [0, 1])]), "leaves the square"),
        (lambda: draw_roc([line], width_mm=0), "needs a size"),
        (lambda: draw_froc([line], up_to=0), "needs a width"),
        (lambda: draw_learning_curve([line], y="AUROC"), "must be positive"),
        (lambda: draw_reliability(line, [0.5, 1.5]), r"outside \[0, 1\]; got 1.5 in row 2"),
        (lambda: draw_confusion([[1, 2]], ["a", "b"]), "a row a class"),
        (lambda: draw_confusion([[1, -2], [0, 0]], ["a", "b"]), "whole number"),
        (lambda: draw_forest([], metric="AUROC"), "no subgroup"),
        (lambda: draw_forest([ForestRow("a", None)], metric="AUROC"), "no subgroup has a number"),
        (lambda: ForestRow("a", 0.5, 0.6, 0.7), "outside its interval"),
        (lambda: ForestRow("a", 0.5, 0.4), "both ends"),
        (lambda: draw_score_distributions({}), "no class"),
        (lambda: draw_score_distributions({"a": []}), "at least one"),
        (lambda: ReaderPoint("a", 0.5, 1.2), r"outside \[0, 1\]"),
        (lambda: ReaderPoint("a", 0.5, 0.5, 0.6), "both numbers with help"),
        (lambda: draw_readers([]), "no reader"),
    ]
    for refuse, words in refused:
        with pytest.raises(DataError, match=words):
            refuse()
