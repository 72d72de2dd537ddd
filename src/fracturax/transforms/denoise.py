"""Less noise: Gaussian, median, bilateral and non-local means filters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import GeometryError, MissingExtraError
from fracturax.core.image import Image
from fracturax.transforms.transform import Made, Transform, Values


@dataclass(frozen=True)
class Gaussian(Transform):
    """Smooth with a Gaussian, mirrored at the edges, cut off at four standard deviations.

    Args:
        sigma_px: Standard deviation in pixels, along every axis.
        sigma_mm: The same in millimetres, which then counts instead.

    Example:
        >>> from fracturax.core.image import Radiograph
        >>> point = np.zeros((9, 9), np.float32)
        >>> point[4, 4] = 1
        >>> smooth = Gaussian(sigma_px=1).apply(Radiograph(point)).image.pixels
        >>> float(1 / (2 * np.pi * smooth[4, 4])) > 0.999
        True
    """

    name: ClassVar[str] = "gaussian"
    sigma_px: float = 1.0
    sigma_mm: float | None = None

    def __post_init__(self) -> None:
        for sigma in (self.sigma_px, self.sigma_mm):
            self._require(sigma is None or 0 < sigma < 100, "sigma lies in (0, 100)", str(sigma))

    def _make(self, pixels: Values, image: Image) -> Made:
        kernels = [_gaussian_kernel(sigma) for sigma in self._sigmas(image)]
        if pixels.ndim == 2:
            return Made(_in_plane(pixels, kernels))
        smooth = np.stack([_in_plane(one, kernels[1:]) for one in pixels])
        # Through the slices: they become the rows of one flat picture.
        flat = smooth.reshape(len(smooth), -1)
        across = cv2.filter2D(flat, -1, kernels[0][:, None], borderType=cv2.BORDER_REFLECT_101)
        smooth = np.asarray(across, np.float32).reshape(pixels.shape)
        return Made(smooth)

    def _sigmas(self, image: Image) -> list[float]:
        if self.sigma_mm is None:
            return [self.sigma_px] * len(image.pixels.shape)
        if image.geometry.spacing_mm is None:
            raise GeometryError(
                "gaussian: sigma_mm needs an image that says its spacing",
                got="none",
                cure="give sigma_px",
            )
        return [self.sigma_mm / spacing for spacing in image.geometry.spacing_mm]


def _gaussian_kernel(sigma: float) -> Values:
    radius = math.ceil(4 * sigma)
    places = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (places / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


def _in_plane(pixels: Values, kernels: list[Values]) -> Values:
    rows, columns = kernels
    smooth = cv2.sepFilter2D(pixels, -1, columns, rows, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(smooth, np.float32).reshape(pixels.shape)


@dataclass(frozen=True)
class Median(Transform):
    """Replace each pixel by the median of its neighbourhood, the edges repeated.

    Args:
        size_px: Side of the neighbourhood, odd.
    """

    name: ClassVar[str] = "median"
    size_px: int = 3

    def __post_init__(self) -> None:
        is_odd = self.size_px % 2 == 1 and 3 <= self.size_px <= 31
        self._require(is_odd, "size_px is odd, from 3 to 31", self.size_px)

    def _make(self, pixels: Values, image: Image) -> Made:
        if pixels.ndim == 2 and self.size_px <= 5:
            # OpenCV's median of floats goes no further, but is many times as fast.
            filtered = np.asarray(cv2.medianBlur(pixels, self.size_px), np.float32)
            return Made(filtered.reshape(pixels.shape))
        from scipy.ndimage import median_filter

        return Made(median_filter(pixels, size=self.size_px, mode="nearest"))


@dataclass(frozen=True)
class Bilateral(Transform):
    """Average neighbours that are near in place and in value; slice by slice in a volume.

    Args:
        sigma_px: Standard deviation of the place, in pixels.
        sigma_value: Standard deviation of the value, in the image's own unit.
    """

    name: ClassVar[str] = "bilateral"
    sigma_px: float = 1.5
    sigma_value: float = 0.05

    def __post_init__(self) -> None:
        self._require(0 < self.sigma_px <= 20, "sigma_px lies in (0, 20]", self.sigma_px)
        is_fine = 0 < self.sigma_value < math.inf
        self._require(is_fine, "sigma_value is positive", self.sigma_value)

    def _make(self, pixels: Values, image: Image) -> Made:
        diameter = 2 * math.ceil(2 * self.sigma_px) + 1

        def filtered(plane: Values) -> Values:
            smooth = cv2.bilateralFilter(plane, diameter, self.sigma_value, self.sigma_px)
            return np.asarray(smooth, np.float32).reshape(plane.shape)

        if pixels.ndim == 2:
            return Made(filtered(pixels))
        return Made(np.stack([filtered(plane) for plane in pixels]))


@dataclass(frozen=True)
class NonLocalMeans(Transform):
    """Average places whose surroundings look alike; the noise is estimated from the image.

    Args:
        strength: Cut-off of likeness, in standard deviations of the noise.
        patch_px: Side of the surroundings that are compared.
        reach_px: How far away alike places are looked for.

    Raises:
        MissingExtraError: If scikit-image is not installed.
    """

    name: ClassVar[str] = "non_local_means"
    strength: float = 0.8
    patch_px: int = 5
    reach_px: int = 6

    def __post_init__(self) -> None:
        self._require(0 < self.strength <= 10, "strength lies in (0, 10]", self.strength)
        self._require(1 <= self.patch_px <= 21, "patch_px lies in 1 to 21", self.patch_px)
        self._require(1 <= self.reach_px <= 50, "reach_px lies in 1 to 50", self.reach_px)

    def _make(self, pixels: Values, image: Image) -> Made:
        try:
            import pywt  # noqa: F401
            from skimage.restoration import denoise_nl_means
        except ModuleNotFoundError as error:
            raise MissingExtraError("imaging", verb=self.name) from error
        flat = pixels.squeeze()
        noise = noise_of(flat)
        if noise == 0:
            return Made(pixels, remark=NO_NOISE)
        filtered = denoise_nl_means(
            flat,
            patch_size=self.patch_px,
            patch_distance=self.reach_px,
            h=self.strength * noise,
            sigma=noise,
            fast_mode=True,
        )
        return Made(within(filtered, pixels))


NO_NOISE = "no noise could be told: nothing was done"
_LEAST_SIDE = 4
_MEDIAN_OF_NORMAL = 0.6745
"""Median of the absolute value of a standard normal variable."""


def within(filtered: npt.NDArray[np.floating], pixels: Values) -> Values:
    """Return filtered values in the shape and the range of those they were made of."""
    shaped = np.asarray(filtered, np.float32).reshape(pixels.shape)
    return np.clip(shaped, pixels.min(), pixels.max())


def noise_of(pixels: Values) -> float:
    """Return the standard deviation of the noise in an image, 0 where none can be told.

    The median of the finest wavelet coefficients, as a robust estimate (Donoho and Johnstone,
    "Ideal spatial adaptation by wavelet shrinkage", Biometrika 1994).

    Args:
        pixels: Of two or three axes, none of length 1; else there is nothing to tell noise by.
    """
    import pywt

    if pixels.ndim < 2 or min(pixels.shape) < _LEAST_SIDE:
        return 0.0
    finest = np.abs(pywt.dwtn(pixels, "db2")["d" * pixels.ndim])
    # Exact zeros are what was painted or clipped, and tell nothing of the noise.
    finest = finest[finest > 0]
    noise = float(np.median(finest)) / _MEDIAN_OF_NORMAL if finest.size else 0.0
    # What floats cannot tell from nothing is no noise: rounding of a constant image.
    least = 1e-6 * max(float(np.abs(pixels).max()), 1e-6)
    return noise if noise > least else 0.0
