"""A finding and its mask are valid or do not exist."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fracturax.core.errors import ModelError
from fracturax.core.finding import Finding, Mask
from fracturax.core.geometry import Box

BOX = Box(9.5, 20, 14.5, 23)
FULL: npt.NDArray[np.bool_] = np.ones((4, 3), bool)


def test_a_mask_cut_out_of_an_image_lies_where_it_was() -> None:
    whole = np.zeros((5, 40, 30), bool)
    whole[1:3, 10:14, 20:23] = np.eye(4, 3, dtype=bool)
    mask = Mask.of(whole)
    assert mask.bounds == ((1, 3), (10, 13), (20, 23))
    again = np.zeros_like(whole)
    again[tuple(slice(*bound) for bound in mask.bounds)] = mask.values
    assert (again == whole).all()
    with pytest.raises(ValueError, match="read-only"):
        mask.values[0] = True


@pytest.mark.parametrize(
    ("values", "offset"),
    [
        (FULL.astype(np.uint8), (0, 0)),
        (np.ones(4, bool), (0,)),
        (FULL, (0, 0, 0)),
        (FULL, (-1, 0)),
        (np.zeros((4, 3), bool), (0, 0)),
        (np.pad(FULL, ((1, 0), (0, 0))), (0, 0)),
        (np.pad(FULL, ((0, 0), (0, 1))), (0, 0)),
        (np.ones((0, 3), bool), (0, 0)),
    ],
)
def test_a_mask_that_is_none_does_not_exist(
    values: npt.NDArray[Any], offset: tuple[int, ...]
) -> None:
    with pytest.raises(ModelError):
        Mask(values, offset)


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(ModelError, match="marks no pixel"):
        Mask.of(np.zeros((4, 4), bool))


def test_a_mask_lies_within_its_box_rounded_outwards() -> None:
    Finding("film", BOX, 0.9, 0.8, "certain", mask=Mask(np.ones((6, 3), bool), (9, 20)))
    for offset in ((8, 20), (10, 20), (9, 19), (9, 21)):
        with pytest.raises(ModelError, match="out of its box"):
            Finding("film", BOX, 0.9, 0.8, "certain", mask=Mask(np.ones((6, 3), bool), offset))


def test_a_mask_in_slices_lies_within_the_slices_of_its_finding() -> None:
    mask = Mask(np.ones((2, 4, 3), bool), (7, 10, 20))
    Finding("scan", BOX, 0.9, 0.8, "certain", mask=mask, slices=(7, 9))
    for slices in (None, (7, 8), (8, 10)):
        with pytest.raises(ModelError):
            Finding("scan", BOX, 0.9, 0.8, "certain", mask=mask, slices=slices)


@pytest.mark.parametrize("slices", [(-1, 2), (2, 2), (3, 2)])
def test_slices_are_a_range(slices: tuple[int, int]) -> None:
    with pytest.raises(ModelError, match="slices"):
        Finding("scan", BOX, 0.9, 0.8, "certain", slices=slices)
