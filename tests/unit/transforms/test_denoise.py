"""Filters beside other implementations, or beside a film whose noise is known."""

import numpy as np
import pytest
import pywt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from fracturax.core.errors import ConfigError, GeometryError, MissingExtraError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph, Volume
from fracturax.transforms.denoise import Bilateral, Gaussian, Median, NonLocalMeans, noise_of
from fracturax.transforms.transform import Transform
from fracturax.transforms.wavelet import WaveletShrinkage

NOISE = 0.05


def _noisy(shape: tuple[int, ...] = (96, 80), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


def _film(pixels: np.ndarray) -> Radiograph:
    return Radiograph(pixels.astype(np.float32))


def _edges() -> np.ndarray:
    """Even areas with sharp edges."""
    film = np.full((128, 128), 0.3, np.float32)
    film[20:100, 50:80] = 0.7
    film[60:64] -= 0.15
    return film


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.7])
def test_gaussian_is_that_of_scipy(sigma: float) -> None:
    for pixels in (_noisy(), _noisy((6, 30, 25))):
        image = _film(pixels) if pixels.ndim == 2 else Volume(pixels)
        expected = ndimage.gaussian_filter(
            pixels.astype(float), sigma, mode="mirror", radius=int(np.ceil(4 * sigma))
        )
        assert np.abs(Gaussian(sigma).apply(image).image.pixels - expected).max() < 1e-5


def test_gaussian_in_millimetres_goes_by_the_spacing_of_each_axis() -> None:
    pixels = _noisy((6, 30, 25))
    scan = Volume(pixels, geometry=Geometry((2.0, 0.5, 0.25)))
    expected = ndimage.gaussian_filter(pixels.astype(float), (0.5, 2, 4), mode="mirror", truncate=4)
    assert np.abs(Gaussian(sigma_mm=1.0).apply(scan).image.pixels - expected).max() < 1e-5
    with pytest.raises(GeometryError, match="sigma_px"):
        Gaussian(sigma_mm=1.0).apply(_film(_noisy()))


@pytest.mark.parametrize("size", [3, 5, 7])
def test_median_is_the_middle_of_the_sorted_neighbourhood(size: int) -> None:
    for pixels in (_noisy((40, 31)), _noisy((5, 14, 12))):
        image = _film(pixels) if pixels.ndim == 2 else Volume(pixels)
        padded = np.pad(pixels, size // 2, mode="edge")
        windows = sliding_window_view(padded, (size,) * pixels.ndim)
        expected = np.sort(windows.reshape(*pixels.shape, -1), axis=-1)[..., size**pixels.ndim // 2]
        assert np.array_equal(Median(size).apply(image).image.pixels, expected)


def test_bilateral_is_the_double_weighted_mean() -> None:
    pixels = _noisy((30, 26))
    sigma_px, sigma_value, radius = 1.5, 0.1, 3
    padded = np.pad(pixels, radius, mode="reflect").astype(float)
    total, weights = np.zeros(pixels.shape), np.zeros(pixels.shape)
    for row in range(-radius, radius + 1):
        for column in range(-radius, radius + 1):
            if np.hypot(row, column) > radius:
                continue
            near = padded[radius + row : radius + row + 30, radius + column : radius + column + 26]
            weight = np.exp(
                -(row**2 + column**2) / (2 * sigma_px**2)
                - (near - pixels) ** 2 / (2 * sigma_value**2)
            )
            total += weight * near
            weights += weight
    done = Bilateral(sigma_px, sigma_value).apply(_film(pixels)).image.pixels
    assert np.abs(done - total / weights).max() < 1e-3


def test_wavelet_shrinkage_is_that_of_the_paper() -> None:
    film = np.clip(_edges() + np.random.default_rng(0).normal(0, NOISE, (128, 128)), 0, 1)
    pixels = film.astype(np.float32)
    noise = noise_of(pixels)
    bands = pywt.wavedec2(pixels, "db2", level=3)
    shrunk = [bands[0]]
    for level in bands[1:]:
        one = []
        for band in level:
            signal = np.sqrt(max((band**2).mean() - noise**2, np.finfo(np.float32).eps))
            one.append(pywt.threshold(band, noise**2 / signal, "soft"))
        shrunk.append(tuple(one))
    expected = pywt.waverec2(shrunk, "db2")[:128, :128]
    expected = np.clip(expected, pixels.min(), pixels.max())
    done = WaveletShrinkage(wavelet="db2", levels=3).apply(_film(pixels)).image.pixels
    assert np.abs(done - expected).max() < 1e-4


@pytest.mark.parametrize("shape", [(128, 128), (16, 64, 64)])
def test_the_noise_is_told_from_the_image(shape: tuple[int, ...]) -> None:
    even = 0.5 + np.random.default_rng(1).normal(0, NOISE, shape)
    assert noise_of(even.astype(np.float32)) == pytest.approx(NOISE, rel=0.05)


@pytest.mark.parametrize(
    "transform",
    [
        Gaussian(1.0),
        Bilateral(1.5, 0.15),
        NonLocalMeans(),
        WaveletShrinkage(),
        WaveletShrinkage("VisuShrink"),
    ],
    ids=str,
)
def test_noise_becomes_less_and_the_film_stays(transform: Transform) -> None:
    truth = _edges()
    noisy = np.clip(truth + np.random.default_rng(2).normal(0, NOISE, truth.shape), 0, 1)
    done = transform.apply(_film(noisy)).image.pixels
    before, after = (np.sqrt(((one - truth) ** 2).mean()) for one in (noisy, done))
    assert after < 0.8 * before
    assert abs(float((done - truth).mean())) < 0.005


def test_filters_that_heed_edges_keep_them_better_than_one_that_does_not() -> None:
    truth = _edges()
    noisy = np.clip(truth + np.random.default_rng(3).normal(0, 0.02, truth.shape), 0, 1)

    def edge_error(transform: Transform) -> float:
        done = transform.apply(_film(noisy)).image.pixels
        return float(np.abs(done - truth)[25:55, 47:53].mean())

    blurred = edge_error(Gaussian(1.5))
    for transform in (Bilateral(1.5, 0.1), NonLocalMeans(), Median(3)):
        assert edge_error(transform) < 0.5 * blurred


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Gaussian(0),
        lambda: Gaussian(float("nan")),
        lambda: Median(4),
        lambda: Bilateral(sigma_value=0),
        lambda: NonLocalMeans(strength=-1),
        lambda: WaveletShrinkage(levels=0),
    ],
)
def test_a_parameter_out_of_range_is_refused(wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(ConfigError):
        wrong()


@pytest.mark.parametrize("transform", [NonLocalMeans(), WaveletShrinkage()], ids=str)
def test_without_the_imaging_extra_it_says_what_to_install(
    transform: Transform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "skimage.restoration", None)
    with pytest.raises(MissingExtraError, match=r'pip install "fracturax\[imaging\]"'):
        transform.apply(_film(_noisy()))
