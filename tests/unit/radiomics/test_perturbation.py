"""Small changes of image and region whose outcome is known."""

from __future__ import annotations

import numpy as np
import pytest

from fracturax.core.errors import ConfigError, ImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph, Volume
from fracturax.radiomics import Perturbation, perturb, small_perturbations
from fracturax.radiomics.perturbation import noise_of


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def film(pixels: np.ndarray, **options: object) -> Radiograph:
    return Radiograph(np.asarray(pixels, np.float32), **options)


def block(shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[(slice(low, high),) * len(shape)] = True
    return mask


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_translation_moves_image_and_region_along_its_axis(axis) -> None:
    shape = (32, 32, 32)
    ramp, mask = Volume(100 * np.indices(shape)[axis].astype(np.float32)), block(shape, 12, 20)
    moved, region = perturb(ramp, mask, Perturbation("translation", 0.4, axis), generator=draw())
    inner = (slice(10, 22),) * 3
    # What lies four tenths farther was lower by as much; borders stay, six tenths of them are in.
    assert moved.pixels[inner] == pytest.approx(ramp.pixels[inner] - 40, abs=0.1)
    assert np.array_equal(region, mask)
    whole, region = perturb(ramp, mask, Perturbation("translation", 2, axis), generator=draw())
    assert whole.pixels[inner] == pytest.approx(ramp.pixels[inner] - 200, abs=0.1)
    assert np.array_equal(region, np.roll(mask, 2, axis))


def test_a_turn_by_a_quarter_is_a_quarter_turn_about_the_middle_of_the_region() -> None:
    pixels = draw().random((3, 21, 21)).astype(np.float32)
    mask = np.zeros(pixels.shape, bool)
    mask[1, 8:13, 4:17] = True  # its middle is that of the image
    turned, region = perturb(Volume(pixels), mask, Perturbation("rotation", 90), generator=draw())
    quarter = 1 if np.allclose(turned.pixels, np.rot90(pixels, 1, (1, 2)), atol=1e-3) else -1
    assert turned.pixels == pytest.approx(np.rot90(pixels, quarter, (1, 2)), abs=1e-3)
    assert np.array_equal(region, np.rot90(mask, quarter, (1, 2)))
    back, _ = perturb(turned, region, Perturbation("rotation", -90), generator=draw())
    assert back.pixels == pytest.approx(pixels, abs=1e-3)


def test_a_turn_is_one_of_millimetres_not_of_pixels() -> None:
    flat = film(np.full((81, 161), 0.5), geometry=Geometry((1.0, 0.5)))
    mask = np.zeros(flat.pixels.shape, bool)
    mask[30:51, 70:91] = True  # 21 mm down, 10.5 mm across
    _, region = perturb(flat, mask, Perturbation("rotation", 90), generator=draw())
    down, across = (np.ptp(places) + 1 for places in np.nonzero(region))
    assert down == pytest.approx(10.5, abs=1)
    assert across * 0.5 == pytest.approx(21, abs=1)


@pytest.mark.parametrize(("amount", "rows"), [(1, (6, 12)), (-2, (3, 9)), (10, (15, 16))])
def test_a_shift_moves_the_region_alone_and_what_leaves_the_image_is_lost(amount, rows) -> None:
    image, mask = film(draw().random((16, 16))), block((16, 16), 5, 11)
    same, region = perturb(image, mask, Perturbation("shift", amount), generator=draw())
    expected = np.zeros_like(mask)
    expected[slice(*rows), 5:11] = True
    assert np.array_equal(region, expected)
    assert same is image


def test_size_grows_and_shrinks_by_whole_voxels() -> None:
    image, mask = film(draw().random((20, 20))), block((20, 20), 6, 12)
    for amount, count in ((1, 36 + 24), (-1, 16), (-2, 4), (2, 36 + 24 + 28)):
        _, region = perturb(image, mask, Perturbation("size", amount), generator=draw())
        assert region.sum() == count
        assert (region >= mask).all() if amount > 0 else (region <= mask).all()


def test_the_edge_of_a_film_is_no_outline() -> None:
    mask = np.zeros((20, 20), bool)
    mask[10:, 5:15] = True  # a bone that leaves the film at the bottom
    _, region = perturb(
        film(draw().random((20, 20))), mask, Perturbation("size", -1), generator=draw()
    )
    expected = np.zeros_like(mask)
    expected[11:, 6:14] = True
    assert np.array_equal(region, expected)


def test_a_redrawn_outline_keeps_the_volume_and_stays_near() -> None:
    grid = np.indices((32, 32, 32)) - 15.5
    radius = np.sqrt((grid**2).sum(axis=0))
    ball, image = radius < 10, Volume(np.zeros((32, 32, 32), np.float32))
    change = Perturbation("contour", 1)
    drawn = [perturb(image, ball, change, generator=draw(seed))[1] for seed in (0, 0, 1)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    for region in drawn:
        assert region.sum() == ball.sum()
        differs = np.abs(radius[region != ball] - 10)
        assert differs.size > 100
        assert differs.max() < 5


def test_noise_is_as_strong_as_that_of_the_image_and_leaves_the_region() -> None:
    image = film(draw().normal(0.5, 0.03, (200, 200)))
    mask = block((200, 200), 20, 180)
    noisy, region = perturb(image, mask, Perturbation("noise", 2), generator=draw(1))
    assert (noisy.pixels - image.pixels)[mask].std() == pytest.approx(0.06, rel=0.03)
    assert region is mask
    bright, _ = perturb(film(image.pixels + 0.5), mask, Perturbation("noise", 2), generator=draw())
    assert bright.pixels.max() == 1


def test_slow_changes_and_straight_edges_are_no_noise() -> None:
    down, across = np.indices((64, 64)) / 64
    assert noise_of(film(0.5 * down + 0.3 * across), block((64, 64), 8, 56)) < 1e-6
    assert noise_of(film(across > 0.5), block((64, 64), 8, 56)) == 0


def test_noise_outside_the_region_does_not_count() -> None:
    pixels = np.full((64, 64), 0.5)
    pixels[:, 32:] = draw().normal(0.5, 0.1, (64, 32))
    mask = np.zeros((64, 64), bool)
    mask[:, :32] = True
    assert noise_of(film(pixels), mask) == 0
    assert noise_of(film(pixels), ~mask) == pytest.approx(0.1, rel=0.1)
    # A line holds no block of 2 x 2: then the image counts.
    line = np.zeros((64, 64), bool)
    line[:, 40] = True
    assert noise_of(film(pixels[:, 32:]), line[:, 32:]) == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("image", [
    film(np.random.default_rng(0).random((40, 40)), geometry=Geometry((0.2, 0.2))),
    Volume(np.random.default_rng(0).integers(-100, 900, (40, 40, 40)).astype(np.int16)),
], ids=["film", "volume"])  # fmt: skip
def test_every_small_change_is_small_and_leaves_what_it_was_given(image) -> None:
    shape = image.pixels.shape
    mask, pixels = block(shape, 10, 30), image.pixels.copy()
    kept = mask.copy()
    for change in small_perturbations(len(shape)):
        changed, region = perturb(image, mask, change, generator=draw())
        assert type(changed) is type(image)
        assert changed.geometry == image.geometry
        assert changed.pixels.shape == region.shape == shape
        overlap = 2 * (region & mask).sum() / (region.sum() + mask.sum())
        assert overlap > 0.8, str(change)
        is_image_changed = change.kind in ("translation", "rotation", "noise")
        assert np.array_equal(changed.pixels, pixels) != is_image_changed
        assert len(changed.history) == is_image_changed
    assert np.array_equal(image.pixels, pixels)
    assert np.array_equal(mask, kept)


@pytest.mark.parametrize(
    ("kind", "amount", "axis", "words"),
    [
        ("twist", 1, 0, "no such perturbation; got 'twist'"),
        ("shift", 0, 0, "changes something"),
        ("rotation", float("nan"), 0, "changes something"),
        ("shift", 0.5, 0, "whole voxels"),
        ("size", 1.5, 0, "whole voxels"),
        ("noise", -1, 0, "positive"),
        ("rotation", 4, 1, "no such axis"),
        ("shift", 1, -1, "no such axis"),
    ],
)
def test_an_impossible_change_is_refused(kind, amount, axis, words) -> None:
    with pytest.raises(ConfigError, match=words):
        Perturbation(kind, amount, axis)


def test_a_film_has_no_third_axis() -> None:
    with pytest.raises(ImageError, match="axis 2 of 2"):
        perturb(
            film(np.zeros((9, 9))),
            block((9, 9), 3, 6),
            Perturbation("shift", 1, 2),
            generator=draw(),
        )
