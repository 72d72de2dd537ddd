"""The closer look: windows about candidate boxes, read again by a second, finer network.

A first look sees the whole film and places a box of 25 pixels some 4 pixels off. The closer look
sees each candidate enlarged and says again where the fracture is, and whether there is one
(cascade of Cai and Vasconcelos, "Cascade R-CNN", CVPR 2018, on pixels instead of features). The
best candidates are looked at in windows of several widths, and the answers averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from fracturax.models.boxes import Boxes, overlap
from fracturax.models.bundle import CloserLook
from fracturax.transforms.plan import Placement, PreprocessingPlan
from fracturax.transforms.window import Detail, boxes_from_window, cut_window, take_detail

Logits = npt.NDArray[np.float64]
Session = Callable[[npt.NDArray[np.float32]], tuple[npt.NDArray[np.float32], ...]]
"""Runs the graph: windows `(n, 1, size, size)` to box logits `(n, cells)` and boxes in pixels of
the window `(n, cells, 4)`."""

_CELLS_JOINED = 9
_OVERLAP_JOINED = 0.5
_OVERLAP_SAME = 0.4
_REACH = 1 / 3
"""A window answers for boxes whose centre is this near its own, in sides of the window."""
_LOOKED_AT_AGAIN = 2
"""How many of the best candidates of a film are looked at in windows of other widths."""


class CloserReader:
    """Looks again at the candidates of a film; thread-safe."""

    def __init__(self, run: Session, look: CloserLook, plan: PreprocessingPlan) -> None:
        self._run, self._look, self._plan = run, look, plan
        self._mirrored_cells = mirrored_cells(look.window.size, look.window.size, look.strides)

    @property
    def at_most(self) -> int:
        """How many candidates of a film to look at."""
        return self._look.window.at_most

    def detail_of(self, pixels: npt.NDArray[np.float32], placement: Placement) -> Detail:
        """Return what windows of a film are cut from.

        Args:
            pixels: Display values of the original, shape `(rows, columns)`.
            placement: Where the first look had it.
        """
        return take_detail(pixels, placement, self._plan, self._look.window.detail)

    def look(
        self, detail: Detail, boxes: Boxes, suspicion: Logits, *, thoroughly: bool = True
    ) -> tuple[Boxes, Logits]:
        """Place candidate boxes anew and say how much each looks like a fracture.

        Args:
            detail: Of the film.
            boxes: Candidates in pixels of the original, shape `(n, 4)`.
            suspicion: Their logits of the first look, shape `(n,)`.
            thoroughly: Whether each window is also read mirrored, and the best candidates in
                windows of other widths; answers are averaged.

        Returns:
            Their new boxes, in the same order and pixels, and a logit each.
        """
        if len(boxes) == 0:
            return boxes, np.zeros(0)
        first, *others = self._look.widths
        placed, logits = self._read(detail, boxes, [first] * len(boxes), mirrored=thoroughly)
        if not (thoroughly and others):
            return placed, logits
        best = np.argsort(-(suspicion + logits), kind="stable")[:_LOOKED_AT_AGAIN]
        again, said = self._read(
            detail, np.repeat(boxes[best], len(others), axis=0), others * len(best), mirrored=True
        )
        shape = (len(best), len(others))
        times = len(self._look.widths)
        placed[best] = (placed[best] + again.reshape(*shape, 4).sum(axis=1)) / times
        logits[best] = (logits[best] + said.reshape(shape).sum(axis=1)) / times
        return placed, logits

    def _read(
        self, detail: Detail, boxes: Boxes, widths: Sequence[float], *, mirrored: bool
    ) -> tuple[Boxes, Logits]:
        """Cut a window of a width about each box, and return what is said of it."""
        window = self._look.window
        cuts, matrices = [], []
        for box, width in zip(boxes * detail.zoom, widths, strict=True):
            center = (float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)
            side = width * window.side(box, scale=detail.scale)
            cut, matrix = cut_window(detail.pixels, center, side=side, size=window.size)
            cuts.append(cut)
            matrices.append(matrix)
        windows = np.stack(cuts)[:, None].astype(np.float32) / np.float32(255)
        answers = self._both_views(windows) if mirrored else self._one_view(windows)
        placed, logits = [], []
        for cell_logits, cell_boxes, matrix in zip(*answers, matrices, strict=True):
            box, logit = _best(cell_logits, cell_boxes, size=window.size)
            placed.append(boxes_from_window(box[None], matrix)[0] / detail.zoom)
            logits.append(logit)
        return np.array(placed), np.array(logits)

    def _one_view(self, windows: npt.NDArray[np.float32]) -> tuple[Logits, Boxes]:
        logits, boxes = self._run(windows)
        return logits.astype(np.float64), boxes.astype(np.float64)

    def _both_views(self, windows: npt.NDArray[np.float32]) -> tuple[Logits, Boxes]:
        """Average what is said of each cell of the windows and of their mirror images."""
        count, size = len(windows), self._look.window.size
        logits, boxes = self._run(np.concatenate([windows, windows[..., ::-1]]))
        mirrored = boxes[count:, self._mirrored_cells]
        mirrored[..., [1, 3]] = size - mirrored[..., [3, 1]]
        return (
            (logits[:count] + logits[count:, self._mirrored_cells]).astype(np.float64) / 2,
            (boxes[:count] + mirrored).astype(np.float64) / 2,
        )


def _best(logits: Logits, boxes: Boxes, *, size: int) -> tuple[npt.NDArray[np.float64], float]:
    """Return the box of a window's best cell, averaged with the good cells that agree with it."""
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    is_near = (np.abs(centers - size / 2) < size * _REACH).all(axis=1)
    chosen = np.argsort(-np.where(is_near, logits, -np.inf), kind="stable")[:_CELLS_JOINED]
    best = chosen[0]
    agree = chosen[overlap(boxes[best], boxes[chosen]) > _OVERLAP_JOINED]
    agree = agree if len(agree) else chosen[:1]
    weights = 1 / (1 + np.exp(-logits[agree]))
    placed = (boxes[agree] * weights[:, None]).sum(axis=0) / weights.sum()
    return placed, float(logits[best])


def same_once(boxes: Boxes, logits: Logits) -> list[int]:
    """Choose boxes, best first, leaving out those that overlap a better one.

    Example:
        >>> same_once(np.array([[0, 0, 9, 9], [0, 0, 9, 10], [50, 50, 60, 60.0]]),
        ...           np.array([0.1, 2.0, 1.0]))
        [1, 2]
    """
    chosen: list[int] = []
    for index in np.argsort(-logits, kind="stable").tolist():
        if not (overlap(boxes[index], boxes[chosen]) >= _OVERLAP_SAME).any():
            chosen.append(index)
    return chosen


def mirrored_cells(rows: int, columns: int, strides: Sequence[int]) -> npt.NDArray[np.intp]:
    """Return, for each cell of a detection head, the cell at its place in the mirrored input.

    Example:
        >>> mirrored_cells(32, 32, (8, 16, 32))[:4].tolist()
        [3, 2, 1, 0]
    """
    cells, start = [], 0
    for stride in strides:
        shape = (rows // stride, columns // stride)
        level = np.arange(start, start + shape[0] * shape[1]).reshape(shape)
        cells.append(level[:, ::-1].ravel())
        start += level.size
    return np.concatenate(cells)
