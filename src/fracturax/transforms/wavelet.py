"""Less noise by wavelets: small coefficients are noise, and shrink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from fracturax.core.errors import MissingExtraError
from fracturax.core.image import Image
from fracturax.transforms.denoise import NO_NOISE, noise_of, within
from fracturax.transforms.transform import Made, Transform, Values


@dataclass(frozen=True)
class WaveletShrinkage(Transform):
    """Shrink wavelet coefficients towards zero, by a threshold from the image's own noise.

    Args:
        method: `BayesShrink` has a threshold for each band; `VisuShrink` has one for all, smoother.
        wavelet: Name of an orthogonal wavelet, as PyWavelets has it.
        levels: Levels of the decomposition; three less than possible if not given.

    Raises:
        MissingExtraError: If scikit-image or PyWavelets is not installed.

    References:
        Chang, Yu and Vetterli, "Adaptive wavelet thresholding for image denoising and
        compression", IEEE TIP 9 (2000) 1532. Donoho and Johnstone, Biometrika 81 (1994) 425.
    """

    name: ClassVar[str] = "wavelet"
    method: Literal["BayesShrink", "VisuShrink"] = "BayesShrink"
    wavelet: Literal["db1", "db2", "db4", "sym4", "sym8", "coif2"] = "sym4"
    levels: int | None = None

    def __post_init__(self) -> None:
        is_fine = self.levels is None or 1 <= self.levels <= 10
        self._require(is_fine, "levels lie in 1 to 10", str(self.levels))

    def _make(self, pixels: Values, image: Image) -> Made:
        try:
            import pywt
            from skimage.restoration import denoise_wavelet
        except ModuleNotFoundError as error:
            raise MissingExtraError("imaging", verb=self.name) from error
        flat = pixels.squeeze()
        noise = noise_of(flat)
        if noise == 0:
            return Made(pixels, remark=NO_NOISE)
        possible = pywt.dwtn_max_level(flat.shape, self.wavelet)
        if possible == 0:
            return Made(pixels, remark="the image is smaller than the wavelet: nothing was done")
        levels = max(possible - 3, 1) if self.levels is None else min(self.levels, possible)
        filtered = denoise_wavelet(
            flat,
            sigma=noise,
            wavelet=self.wavelet,
            mode="soft",
            wavelet_levels=levels,
            method=self.method,
            rescale_sigma=True,
        )
        return Made(within(filtered, pixels))
