"""Detail scale by scale, against its definition and under what a bad acquisition does."""

import numpy as np
import pytest

from fracturax.core.errors import ImageError
from fracturax.training.degrade import degrade
from fracturax.transforms.detail import DETAIL_NAMES, SCALES, detail_of


def images(*shape: int) -> np.ndarray:
    """Smooth structures with edges."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    rough = rng.normal(size=shape)
    smooth = np.stack([gaussian_filter(one, 3) for one in rough])
    return (0.3 + 0.4 * (smooth > 0)).astype(np.float32)


@pytest.mark.parametrize("shape", [(3, 32, 48), (2, 16, 24, 32)])
def test_detail_is_the_mean_difference_between_neighbouring_scales(shape):
    values = images(*shape)
    found = detail_of(values)
    assert found.shape == (shape[0], len(DETAIL_NAMES))
    for scale, column in zip(SCALES, found.T, strict=False):
        for one, told in zip(values, column, strict=True):
            fine, coarse = (_pooled(one, scale), _pooled(one, 2 * scale))
            assert told == pytest.approx(np.log10(np.abs(fine - coarse).mean()), abs=1e-4)


def test_sides_that_cannot_be_halved_three_times_are_refused():
    with pytest.raises(ImageError, match="multiples of 8; got 2 x 16 x 20"):
        detail_of(np.zeros((2, 16, 20), np.float32))


def test_noise_raises_and_blur_lowers_fine_detail_and_half_a_field_is_empty():
    values = images(8, 48, 48)
    clean = detail_of(values)
    said = {}
    for kind in ("noise", "blur", "half"):
        rng = np.random.default_rng(1)
        spoilt = np.stack([degrade(one, kind, generator=rng) for one in values])
        said[kind] = detail_of(spoilt) - clean
    assert (said["noise"][:, 0] > 0.3).all()
    assert (said["blur"][:, 0] < -0.2).all()
    assert said["half"][:, 3] == pytest.approx(0.5)


def _pooled(image: np.ndarray, size: int) -> np.ndarray:
    """Return the mean of its block at every pixel."""
    from itertools import product

    found = np.empty_like(image)
    for corner in product(*(range(0, side, size) for side in image.shape)):
        block = tuple(slice(at, at + size) for at in corner)
        found[block] = image[block].mean()
    return found
