import numpy as np
import pytest

from drawn_anatomy import draw_limb
from fracturax.core.errors import DataError
from fracturax.datasets.fingerprints import MIRRORED, NEGATIVE, fingerprint


def test_one_grey_value_changes_the_hash() -> None:
    film = draw_limb(0)
    changed = film.copy()
    changed[0, 0] ^= 1
    assert fingerprint(film).pixel_sha256 == fingerprint(film.copy()).pixel_sha256
    assert fingerprint(film).pixel_sha256 != fingerprint(changed).pixel_sha256
    assert fingerprint(film).pixel_sha256 == fingerprint(film[:, ::-1][:, ::-1]).pixel_sha256


def test_the_same_values_in_another_shape_have_another_hash() -> None:
    film = np.arange(600, dtype=np.uint16).astype(np.uint8)
    wide, high = fingerprint(film.reshape(20, 30)), fingerprint(film.reshape(30, 20))
    assert wide.pixel_sha256 != high.pixel_sha256


def test_a_plain_border_is_left_out() -> None:
    framed = np.full((400, 360), 255, np.uint8)
    framed[40:340, 60:300] = draw_limb(0)
    # The film's own foot is plain too.
    assert fingerprint(framed).inside == (40, 60, 330, 300)
    assert fingerprint(np.full((50, 40), 9, np.uint8)).inside == (0, 0, 50, 40)


def test_the_mirrored_film_has_the_same_corners_with_other_signs() -> None:
    film = draw_limb(2)
    here = fingerprint(film)
    there = fingerprint(np.ascontiguousarray(film[:, ::-1]))
    assert _shared(here.descriptors * MIRRORED, there.descriptors) > 0.8
    assert _shared(here.descriptors, there.descriptors) < 0.2


def test_the_negative_film_has_the_same_corners_with_other_signs() -> None:
    film = draw_limb(2)
    here, there = fingerprint(film), fingerprint(255 - film)
    assert _shared(here.descriptors * NEGATIVE, there.descriptors) > 0.6
    assert _shared(here.descriptors, there.descriptors) < 0.2


def _shared(one: np.ndarray, other: np.ndarray) -> float:
    """Share of corners that have their like in the other film."""
    apart = np.linalg.norm(one[:, None].astype(float) - other[None].astype(float), axis=2)
    return float((apart.min(axis=1) < 25).mean())


def test_a_fingerprint_takes_at_most_70_kilobytes() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 900), np.uint8)
    one = fingerprint(noise)
    size = one.picture.nbytes + one.places.nbytes + one.descriptors.nbytes
    assert len(one.places) == 160
    assert size <= 80_000


def test_what_is_no_grey_image_in_8_bits_is_refused() -> None:
    for pixels in (np.zeros((4, 4), np.float32), np.zeros((4, 4, 3), np.uint8),
                   np.zeros((0, 4), np.uint8)):  # fmt: skip
        with pytest.raises(DataError, match="grey values in 8 bits"):
            fingerprint(pixels)
