"""The isotropic grid, beside a whole resampling and in every orientation."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from fracturax.core.errors import GeometryError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Volume
from fracturax.transforms.isotropic import IsotropicGrid

CUBE = np.random.default_rng(0).integers(-100, 900, (6, 8, 10)).astype(np.int16)
PLACED = Geometry.from_affine([[0, 0, 1, 0], [0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1]])


def test_slabs_are_the_pieces_of_the_whole_whatever_their_order() -> None:
    whole = IsotropicGrid(Volume(CUBE, geometry=PLACED), 0.75)
    planes = whole.slab(0, whole.shape[0])
    again = IsotropicGrid(Volume(CUBE, geometry=PLACED), 0.75)
    for start in (9, 0, 4):
        assert np.allclose(again.slab(start, start + 5), planes[start : start + 5], atol=1e-3)
    assert (again.slab(-2, 0) == -1000).all()


def test_on_its_own_grid_nothing_changes() -> None:
    geometry = Geometry.from_affine([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    grid = IsotropicGrid(Volume(CUBE, geometry=geometry), 1.0)
    assert np.allclose(grid.slab(0, 6), CUBE)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_a_patient_is_the_same_however_the_file_lies(
    order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    expected = IsotropicGrid(Volume(CUBE, geometry=PLACED), 1.0).slab(0, 12)
    turns = tuple(slice(None, None, sign) for sign in signs)
    turned = np.ascontiguousarray(CUBE.transpose(order)[turns])
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    old = np.asarray(PLACED.affine)
    for new, (axis, sign) in enumerate(zip(order, signs, strict=True)):
        affine[:, new] = old[:, axis] * sign
        if sign < 0:
            affine[:, 3] += old[:, axis] * (CUBE.shape[axis] - 1)
    grid = IsotropicGrid(Volume(turned, geometry=Geometry.from_affine(affine)), 1.0)
    assert np.allclose(grid.slab(0, 12), expected, atol=1e-3)
    mask = grid.count_cells(turned > 400, side=4)
    assert np.allclose(
        mask, IsotropicGrid(Volume(CUBE, geometry=PLACED), 1.0).count_cells(CUBE > 400, side=4)
    )


def test_cells_count_what_is_inside() -> None:
    geometry = Geometry.from_affine(np.diag([1.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]])
    mask = np.zeros((8, 8, 8), bool)
    mask[:4, :4, :2] = True
    shares = IsotropicGrid(Volume(np.zeros((8, 8, 8), np.int16), geometry=geometry), 1.0)
    cells = shares.count_cells(mask, side=4)
    assert cells.shape == (2, 2, 2)
    assert cells[0, 0, 0] == pytest.approx(0.5)
    assert cells.sum() == pytest.approx(0.5)


def test_a_ct_that_does_not_say_how_it_lies_is_refused() -> None:
    with pytest.raises(GeometryError, match="no position"):
        IsotropicGrid(Volume(CUBE, geometry=Geometry((1.0, 1.0, 1.0), "patient")), 1.0)
    with pytest.raises(GeometryError, match="no spacing"):
        IsotropicGrid(Volume(CUBE), 1.0)
