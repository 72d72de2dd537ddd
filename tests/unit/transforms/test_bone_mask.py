"""Thresholds beside scikit-image's and scikit-learn's; films with drawn bones, and with none."""

import cv2
import numpy as np
import pytest
from skimage import filters
from sklearn.cluster import KMeans

from fracturax.core.image import Radiograph
from fracturax.transforms.bone_mask import segment_bone
from fracturax.transforms.threshold import (
    Method,
    k_means_thresholds,
    otsu_thresholds,
    separability,
)

METHODS: list[Method] = ["otsu", "multi_otsu", "k_means"]


def _three_classes(seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    parts = [
        generator.normal(*one) for one in ((0.15, 0.04, 900), (0.45, 0.06, 700), (0.8, 0.05, 300))
    ]
    return np.clip(np.concatenate(parts), 0, 1).astype(np.float32)


def _leg(rows: int = 420, columns: int = 300) -> tuple[Radiograph, np.ndarray]:
    """Two bones in soft tissue in air, and where they are."""
    row, column = np.mgrid[:rows, :columns].astype(float)
    depth = np.clip(1 - ((column - 150) / 95) ** 2, 0, None)
    film = 0.04 + 0.38 * np.sqrt(depth)
    bones = (np.abs(column - 125 - row / 40) < 21) | (np.abs(column - 195) < 11)
    bones &= (row > 30) & (row < 390)
    film = cv2.GaussianBlur(film + 0.3 * bones, (0, 0), 1.2)
    film += np.random.default_rng(0).normal(0, 0.01, film.shape)
    return Radiograph(np.clip(film, 0, 1).astype(np.float32)), bones


@pytest.mark.parametrize("seed", range(3))
def test_thresholds_are_those_of_scikit_image(seed: int) -> None:
    values = _three_classes(seed)
    bin_px = 1.5 / 128
    expected = filters.threshold_otsu(values, nbins=128)
    assert otsu_thresholds(values)[0] == pytest.approx(expected, abs=bin_px)
    for classes in (3, 4):
        several = filters.threshold_multiotsu(values, classes=classes, nbins=128)
        assert otsu_thresholds(values, classes=classes) == pytest.approx(several, abs=bin_px)


def test_k_means_finds_the_centres_that_many_random_starts_find() -> None:
    values = _three_classes()
    centers = np.sort(
        KMeans(3, n_init=10, random_state=0).fit(values[:, None]).cluster_centers_[:, 0]
    )
    assert k_means_thresholds(values) == pytest.approx((centers[1:] + centers[:-1]) / 2, abs=0.01)


def test_separability_is_the_share_of_variance_between_classes() -> None:
    values = _three_classes()
    above = values > 0.6
    within = sum(values[one].var() * one.mean() for one in (above, ~above))
    assert separability(values, 0.6) == pytest.approx(1 - within / values.var(), abs=1e-4)
    assert separability(values, 2.0) == 0.0


@pytest.mark.parametrize("method", METHODS)
def test_drawn_bones_are_found(method: Method) -> None:
    film, bones = _leg()
    found = segment_bone(film, method=method)
    dice = 2 * (found.mask & bones).sum() / (found.mask.sum() + bones.sum())
    assert dice > 0.8
    assert found.is_usable


def test_the_same_film_gives_the_same_mask_and_a_larger_one_a_larger() -> None:
    film, bones = _leg()
    one, again = segment_bone(film), segment_bone(film)
    assert np.array_equal(one.mask, again.mask)
    assert one.quality == again.quality
    large = cv2.resize(film.pixels, (1500, 2100), interpolation=cv2.INTER_LINEAR)
    found = segment_bone(Radiograph(large))
    assert found.mask.shape == (2100, 1500)
    truth = cv2.resize(bones.astype(np.uint8), (1500, 2100)) > 0
    assert 2 * (found.mask & truth).sum() / (found.mask.sum() + truth.sum()) > 0.8


@pytest.mark.parametrize("method", METHODS)
def test_films_without_bones_are_not_usable_and_say_why(method: Method) -> None:
    generator = np.random.default_rng(0)
    soft = cv2.GaussianBlur(generator.random((300, 240), np.float32), (0, 0), 40)
    soft = (soft - soft.min()) / np.ptp(soft)
    nothing = {
        "blank": np.zeros((300, 240), np.float32),
        "white": np.ones((300, 240), np.float32),
        "one pixel": np.ones((1, 1), np.float32),
        "a line": generator.random((1, 300), np.float32),
        "noise": generator.random((300, 240), np.float32),
        "soft tissue": 0.3 + 0.4 * soft,
    }
    for what, pixels in nothing.items():
        found = segment_bone(Radiograph(pixels.astype(np.float32)), method=method)
        assert not found.is_usable, what
        assert 0 <= found.quality < 0.6
        assert found.reason
        assert found.mask.shape == pixels.shape


def test_a_bar_along_an_edge_is_no_bone() -> None:
    film, bones = _leg()
    pixels = film.pixels.copy()
    pixels[:22, :260] = 0.75
    found = segment_bone(Radiograph(pixels))
    assert found.mask[:22].mean() < 0.1
    dice = 2 * (found.mask & bones).sum() / (found.mask.sum() + bones.sum())
    assert dice > 0.8


def test_a_limb_in_a_cast_is_not_called_sure_and_the_same_limb_without_is() -> None:
    film, _ = _leg(rows=600)
    pixels = film.pixels.copy()
    row, column = np.mgrid[:600, :300]
    # A shell of plaster on the skin, as bright as bone, and as uneven as plaster is.
    shell = (np.abs(np.abs(column - 150) - 90 + 4 * np.sin(row / 40)) < 7) & (row > 40)
    pixels[shell] = 0.6
    found = segment_bone(Radiograph(pixels))
    assert not found.is_usable
    assert "cast" in found.reason
    assert segment_bone(film).quality > found.quality + 0.3


def test_a_trunk_is_not_called_sure() -> None:
    row, column = np.mgrid[:420, :500].astype(float)
    film = 0.04 + 0.45 * np.sqrt(np.clip(1 - ((column - 250) / 235) ** 2, 0, None))
    spine = (np.abs(column - 250) < 25) & (row % 60 < 50)
    film = cv2.GaussianBlur(film + 0.3 * spine, (0, 0), 1.2).astype(np.float32)
    found = segment_bone(Radiograph(np.clip(film, 0, 1)))
    assert not found.is_usable
    assert "trunk" in found.reason
