"""Films are spoiled as told: more at each severity, the same by one seed, never out of range."""

import numpy as np
import pytest

from fracturax.core.errors import ConfigError, UnknownNameError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph, Step
from fracturax.transforms.corruption import CORRUPTIONS, SEVERITIES, corrupt
from tiny_model import drawn_radiograph

FILM = Radiograph(
    np.kron(drawn_radiograph(0).pixels, np.ones((3, 3), np.float32)), name="wrist.png"
)


def _spoiled(name: str, severity: int, seed: int = 0) -> Radiograph:
    return corrupt(FILM, name, severity, np.random.default_rng(seed))


def _harm(name: str, severity: int) -> float:
    """Return how far a spoiled film lies from the original, over several draws."""
    found = []
    for seed in range(8):
        pixels = _spoiled(name, severity, seed).pixels
        if name == "crop":
            found.append(1 - pixels.size / FILM.pixels.size)
        else:
            found.append(float(np.abs(pixels - FILM.pixels).mean()))
    return float(np.mean(found))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_severity_does_more_harm_than_the_one_before(name) -> None:
    harm = [_harm(name, severity) for severity in SEVERITIES]
    assert harm[0] > 0
    assert harm == sorted(harm)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_spoiled_film_is_a_film_repeatable_and_says_what_was_done(name) -> None:
    before = FILM.pixels.copy()
    one, again = _spoiled(name, 5), _spoiled(name, 5)
    assert np.array_equal(one.pixels, again.pixels)
    assert np.array_equal(FILM.pixels, before)
    assert 0 <= one.pixels.min() <= one.pixels.max() <= 1
    assert one.history[-1] == Step("corrupt", (("name", name), ("severity", 5)))
    assert (one.name, one.geometry, one.origin) == ("wrist.png", Geometry(), None)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_film_of_one_pixel_and_a_blank_one_are_borne(name) -> None:
    for shape in ((1, 1), (3, 40)):
        blank = Radiograph(np.zeros(shape, np.float32))
        assert np.isfinite(corrupt(blank, name, 5, np.random.default_rng(0)).pixels).all()


def test_levels_are_what_they_say() -> None:
    flat = Radiograph(np.full((200, 200), 0.5, np.float32))
    generator = np.random.default_rng(3)
    assert corrupt(flat, "noise", 3, generator).pixels.std() == pytest.approx(0.08, rel=0.02)
    factors = {float(corrupt(flat, "exposure", 2, generator).pixels[0, 0]) for _ in range(20)}
    assert sorted(factors) == pytest.approx([0.5 / 1.5, 0.5 * 1.5])
    assert corrupt(flat, "crop", 5, generator).pixels.shape == (140, 140)
    ramp = Radiograph(np.tile(np.linspace(0.2, 0.8, 200, dtype=np.float32), (200, 1)))
    assert np.ptp(corrupt(ramp, "contrast", 4, generator).pixels) == pytest.approx(0.18, abs=1e-4)


def test_unknown_names_and_severities_are_refused() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(UnknownNameError, match="noise"):
        corrupt(FILM, "nose", 1, generator)
    with pytest.raises(ConfigError, match="from 1 to 5"):
        corrupt(FILM, "noise", 6, generator)
