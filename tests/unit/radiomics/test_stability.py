"""Features under small changes: what they must become."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fracturax.core.errors import ConfigError, ImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph, Volume
from fracturax.radiomics import (
    Perturbation,
    RadiomicsPlan,
    extract_features,
    perturb,
    perturbed_features,
)

FAST = RadiomicsPlan(("firstorder", "shape"))


def draw(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def lumps(shape: tuple[int, ...]) -> np.ndarray:
    noise = gaussian_filter(draw().standard_normal(shape), 2)
    return np.asarray(0.5 + 0.12 * noise / noise.std(), np.float32)


@pytest.fixture(scope="module")
def film() -> tuple[Radiograph, np.ndarray]:
    mask = np.zeros((160, 140), bool)
    mask[60:90, 50:85] = True
    return Radiograph(lumps(mask.shape), geometry=Geometry((0.2, 0.2))), mask


@pytest.mark.parametrize(
    "plan",
    [RadiomicsPlan(log_sigma_mm=(0.6,)), RadiomicsPlan(("firstorder",), has_wavelet=True)],
    ids=["near", "whole"],
)
def test_each_row_is_that_of_the_whole_image_changed(film, plan) -> None:
    image, mask = film
    changes = (
        Perturbation("shift", -1, 1),
        Perturbation("size", 1),
        Perturbation("translation", 0.4, 0),
        Perturbation("rotation", 4),
    )
    found = perturbed_features(image, mask, generator=draw(), plan=plan, perturbations=changes)
    assert found.perturbations == changes
    for row, change in enumerate((None, *changes)):
        other, region = (
            (image, mask) if change is None else perturb(image, mask, change, generator=draw())
        )
        alone = extract_features(other, region, plan=plan)
        assert found.names == alone.names
        assert found.plan_sha256 == alone.plan_sha256
        assert found.values[row] == pytest.approx(alone.values, rel=1e-4, abs=1e-4)


def test_the_mean_of_a_flat_image_never_changes_and_its_area_does() -> None:
    flat = Volume(np.full((20, 20, 20), 300.0, np.float32), geometry=Geometry((1.0, 1.0, 1.0)))
    mask = np.zeros(flat.pixels.shape, bool)
    mask[6:14, 6:14, 6:14] = True
    found = perturbed_features(flat, mask, generator=draw(), plan=FAST)
    assert found.values.shape == (14, len(found.names))
    mean = found.values[:, found.names.index("original_firstorder_Mean")]
    assert mean == pytest.approx(300, rel=1e-5)
    voxels = dict(
        zip(
            ["as it is", *map(str, found.perturbations)],
            found.values[:, found.names.index("original_shape_VoxelVolume")],
            strict=True,
        )
    )
    assert voxels["as it is"] == 512
    assert voxels["size 1"] == 512 + 6 * 64
    assert voxels["size -1"] == 6**3
    assert voxels["contour 1"] == voxels["shift 1 axis 2"] == 512


def test_the_same_seed_gives_the_same_numbers(film) -> None:
    image, mask = film
    first, again, other = (
        perturbed_features(image, mask, generator=draw(seed), plan=FAST).values
        for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_region_that_a_change_takes_away_is_refused() -> None:
    line = np.zeros((20, 20), bool)
    line[5:15, 8:10] = True
    with pytest.raises(ImageError, match="20 voxels before size -1; give a region at least three"):
        perturbed_features(Radiograph(lumps((20, 20))), line, generator=draw(), plan=FAST)


def test_what_would_leak_into_the_region_is_refused(film) -> None:
    image, mask = film
    pixels = image.pixels.copy()
    pixels[58, 60] = np.nan
    with pytest.raises(ImageError, match="near the region is no number"):
        perturbed_features(Radiograph(pixels), mask, generator=draw(), plan=FAST)


def test_without_a_change_there_is_nothing_to_measure(film) -> None:
    with pytest.raises(ConfigError, match="needs a perturbation"):
        perturbed_features(*film, generator=draw(), plan=FAST, perturbations=())
