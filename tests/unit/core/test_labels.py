"""A mask is brought onto the grid of its CT by geometry alone, or refused."""

import itertools

import numpy as np
import pytest

from fracturax.core.errors import DataError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Volume
from fracturax.core.labels import LabelVolume

SHAPE = (4, 5, 6)
AFFINE = np.array([[0, 0, 0.5, -3], [0, 0.7, 0, 9], [2.0, 0, 0, 40], [0, 0, 0, 1]])
CT = Volume(np.zeros(SHAPE, np.int16), geometry=Geometry.from_affine(AFFINE))


def _points(labels: LabelVolume) -> dict[int, tuple[float, ...]]:
    """Return where each label lies in the patient, in mm."""
    matrix = np.asarray(labels.geometry.affine)
    return {
        int(labels.values[index]): tuple((matrix @ [*index, 1.0])[:3].round(6))
        for index in np.ndindex(labels.values.shape)
    }


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flipped", list(itertools.product((False, True), repeat=3)))
def test_every_order_and_direction_of_axes_leaves_labels_where_they_lie(axes, flipped) -> None:
    # An independent truth: a label a voxel, and the place of each by the stored matrix alone.
    values = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    stored = values.transpose(axes)
    matrix = AFFINE[:, [*axes, 3]].copy()
    for axis, is_flipped in enumerate(flipped):
        if is_flipped:
            stored = np.flip(stored, axis)
            matrix[:, 3] += matrix[:, axis] * (stored.shape[axis] - 1)
            matrix[:, axis] *= -1
    mask = LabelVolume(np.ascontiguousarray(stored), Geometry.from_affine(matrix))
    found = mask.on(CT)
    assert np.array_equal(found.values, values)
    assert _points(mask) == _points(found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda matrix: matrix + _moved(1.0), "moved by"),
        (lambda matrix: matrix @ np.diag([1, 1, 1.2, 1]), "axes that are no axes"),
        (lambda matrix: _turned() @ matrix, "axes that are no axes"),
    ],
)
def test_another_grid_is_refused(change, words: str) -> None:
    mask = LabelVolume(np.zeros(SHAPE, np.uint8), Geometry.from_affine(change(AFFINE)))
    with pytest.raises(DataError, match=words):
        mask.on(CT)


def _moved(mm: float) -> np.ndarray:
    move = np.zeros((4, 4))
    move[0, 3] = mm
    return move


def _turned() -> np.ndarray:
    turn = np.eye(4)
    turn[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    return turn


def test_without_a_position_the_shape_decides() -> None:
    assert LabelVolume(np.ones(SHAPE, np.uint8)).on(CT).geometry == CT.geometry
    with pytest.raises(DataError, match="no position"):
        LabelVolume(np.ones((4, 5, 7), np.uint8)).on(CT)


@pytest.mark.parametrize(
    "values",
    [np.ones((2, 2), int), np.ones((2, 2, 2)), np.full((1, 1, 1), -1), np.ones((0, 1, 1), int)],
)
def test_what_is_no_labels_is_refused(values) -> None:
    with pytest.raises(DataError):
        LabelVolume(values)
