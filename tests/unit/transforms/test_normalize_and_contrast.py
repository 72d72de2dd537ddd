"""Grey values beside other implementations and published formulas."""

import numpy as np
import pytest
from scipy import stats

from fracturax.core.errors import ConfigError, ImageError
from fracturax.core.image import Radiograph, Volume
from fracturax.imaging.display import Window
from fracturax.transforms.contrast import Clahe, Equalize, Gamma
from fracturax.transforms.normalize import HuWindow, MinMax, PercentileRange, ZScore


def _film(rows: int = 120, columns: int = 90) -> Radiograph:
    generator = np.random.default_rng(0)
    return Radiograph((generator.beta(2, 5, (rows, columns)) * 0.8 + 0.1).astype(np.float32))


def test_min_max_reaches_both_ends() -> None:
    film = _film()
    done = MinMax().apply(film).image.pixels
    low, high = film.pixels.min(), film.pixels.max()
    assert (done.min(), done.max()) == (0, 1)
    assert np.allclose(done, (film.pixels - low) / (high - low), atol=1e-6)


def test_percentiles_are_those_of_numpy() -> None:
    film = _film()
    low, high = np.percentile(film.pixels, (2, 97))
    expected = np.clip((film.pixels - low) / (high - low), 0, 1)
    assert np.abs(PercentileRange(2, 97).apply(film).image.pixels - expected).max() < 1e-5


def test_percentiles_of_a_large_film_come_from_a_part_of_it_and_hardly_differ() -> None:
    film = _film(1200, 900)
    low, high = np.percentile(film.pixels, (0.5, 99.5))
    expected = np.clip((film.pixels - low) / (high - low), 0, 1)
    assert np.abs(PercentileRange().apply(film).image.pixels - expected).max() < 0.01


def test_z_scores_are_those_of_scipy() -> None:
    film = _film()
    expected = np.clip(0.5 + stats.zscore(film.pixels.astype(float), axis=None) / 6, 0, 1)
    assert np.abs(ZScore().apply(film).image.pixels - expected).max() < 1e-5


def test_the_window_is_that_of_the_standard_and_takes_hounsfield_units_alone() -> None:
    values = np.linspace(-1200, 3000, 480, dtype=np.float32).reshape(2, 12, 20)
    done = HuWindow(300, 1500).apply(Volume(values)).image
    expected = Window(300, 1500).apply(values.astype(np.float64))
    assert isinstance(done, Volume)
    assert done.unit == "arbitrary"
    assert np.abs(done.pixels - expected).max() < 1e-5
    with pytest.raises(ImageError, match="Hounsfield"):
        HuWindow().apply(done)


def test_equalized_values_are_ranks() -> None:
    film = _film()
    # A value becomes the share of pixels that are not above it, the least one 0.
    levels = np.rint(film.pixels * 65535)
    ranks = stats.rankdata(levels, method="max")
    least = ranks.min()
    expected = (ranks - least) / (levels.size - least)
    done = Equalize().apply(film).image.pixels
    assert np.abs(done - expected.reshape(done.shape)).max() < 1e-6


def test_one_tile_without_limit_is_plain_equalization() -> None:
    film = _film(128, 96)
    # 256 counts of an even histogram of 256 levels: no level can reach the limit.
    local = Clahe(clip_limit=256, tiles=1).apply(film).image.pixels
    levels = np.rint(film.pixels * 255)
    expected = stats.rankdata(levels, method="max").reshape(levels.shape) / levels.size
    assert np.abs(local - expected).max() < 1.01 / 255


def test_a_limit_holds_contrast_down_and_tiles_even_out_a_slope() -> None:
    row, column = np.mgrid[:256, :256]
    film = 0.1 + 0.6 * column / 256 + 0.02 * ((row // 8 + column // 8) % 2)
    radiograph = Radiograph(film.astype(np.float32))

    def contrast(clip_limit: float) -> float:
        done = Clahe(clip_limit).apply(radiograph).image.pixels
        return float(np.abs(np.diff(done[4::8, :], axis=0)).mean())

    assert 0.015 < contrast(0.5) < contrast(2) < contrast(16)
    done = Clahe(4).apply(radiograph).image.pixels
    slope = np.polyfit(np.arange(256), done.mean(axis=0), 1)[0] * 256
    assert slope < 0.6


def test_gamma_is_a_power() -> None:
    film = _film()
    assert np.allclose(Gamma(0.5).apply(film).image.pixels, np.sqrt(film.pixels), atol=1e-6)


def test_contrast_of_hounsfield_units_is_refused_with_the_cure() -> None:
    scan = Volume(np.full((2, 8, 8), 300.0, np.float32))
    for transform in (Equalize(), Clahe(), Gamma()):
        with pytest.raises(ImageError, match="hu_window"):
            transform.apply(scan)


def test_a_parameter_out_of_range_is_refused() -> None:
    for wrong in (
        lambda: PercentileRange(60, 40),
        lambda: ZScore(0),
        lambda: HuWindow(width=1),
        lambda: HuWindow(center=float("nan")),
        lambda: Clahe(0),
        lambda: Clahe(tiles=0),
        lambda: Gamma(0),
    ):
        with pytest.raises(ConfigError):
            wrong()
