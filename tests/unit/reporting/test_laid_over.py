"""Pictures of images laid over each other show what they say."""

import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from fracturax.core.errors import ImageError
from fracturax.reporting.laid_over import checkerboard, colors_laid, outlined, side_by_side

DARK, BRIGHT = np.full((64, 48), 40, np.uint8), np.full((64, 48), 200, np.uint8)


def test_tiles_of_both_images_come_by_turns_and_equal_images_stay_as_they_are() -> None:
    board = checkerboard(DARK, BRIGHT)
    assert set(np.unique(board).tolist()) == {40, 200}
    assert board[0, 0, 0] == 40
    assert board[0, 9, 0] == 200
    assert np.array_equal(checkerboard(DARK, DARK)[..., 1], DARK)


def test_what_agrees_is_grey() -> None:
    assert np.ptp(colors_laid(DARK, DARK), axis=2).max() == 0
    assert colors_laid(DARK, BRIGHT)[0, 0].tolist() == [40, 200, 40]


def test_pixels_outside_of_labels_and_outlines_stay_as_they_were() -> None:
    labels = np.zeros(DARK.shape, np.uint16)
    labels[10:30, 10:30], labels[40:50, 5:20] = 1, 12
    drawn = outlined(DARK, labels)
    assert np.array_equal(drawn[labels == 0], np.full((np.count_nonzero(labels == 0), 3), 40))
    assert (np.ptp(drawn[labels > 0], axis=1) > 0).all()
    assert drawn[10, 10].tolist() != drawn[40, 5].tolist()
    assert np.array_equal(outlined(DARK, np.zeros_like(labels))[..., 0], DARK)


def test_what_does_not_fit_is_refused() -> None:
    for draw in (checkerboard, colors_laid, outlined):
        with pytest.raises(ImageError, match="does not fit"):
            draw(DARK, DARK[:-1])


def test_a_picture_is_a_png_that_holds_all_of_them() -> None:
    shown = [("one", np.repeat(DARK[..., None], 3, axis=2))] * 3
    data = side_by_side(shown, title="film", remark="NOT USABLE", is_warning=True)
    with PillowImage.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        assert picture.width >= 3 * 48
        assert (np.asarray(picture) == 40).all(axis=2).sum() >= 3 * DARK.size
