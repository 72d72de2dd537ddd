"""Training augmentations: geometry that boxes and outlines follow, and changes of exposure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ConfigError
from fracturax.transforms.film_warp import FilmWarp, draw_bending
from fracturax.transforms.overlays import lay_cast, lay_marker

Outline = npt.NDArray[np.float32]
"""Corner points `(row, column)` of one fracture, shape `(points, 2)`."""


_LATER = (
    *("flip", "shear_degrees", "elastic", "exposure", "photon_noise", "cast", "marker"),
    *("wider_blur", "harder_compression"),
)
"""Changes that came later: switched off, they draw nothing and are in no hash."""
_BLUR_PX = (0.4, 1.2)
_QUALITIES = (30, 95)
_MOST_ELASTIC = 0.03
"""Beyond it a film could fold over itself, and a point of it would have two places."""


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a film, each within its range; zero switches a change off.

    A film is grey: a change of saturation, as networks for photographs have it, would change
    nothing and is not here.

    Args:
        rotation_degrees: Largest rotation to either side.
        scale: Largest relative change of size.
        shift: Largest shift, as a share of the sides.
        mirror: Probability of a left-right flip.
        half_turn: Probability of a half turn before the rotation.
        quarter_turn: Probability of a quarter turn, to either side, before the rotation.
        gamma: Largest change of gamma, as a factor of `exp(±gamma)`.
        contrast: Largest relative change of contrast about mid-grey.
        brightness: Largest change of brightness.
        noise: Largest standard deviation of Gaussian noise.
        blur: Probability of a slight blur or of lost resolution.
        recompression: Probability of a JPEG compression.
        flip: Probability of a flip of top and bottom.
        shear_degrees: Largest shear to either side.
        elastic: Largest shift of a knot of a smooth bending, as a share of the sides, at most 0.03.
        exposure: Largest change of exposure, as a factor of `exp(±exposure)` on all grey values.
        photon_noise: Largest relative noise of white where photons are counted (Poisson): what is
            bright has more noise, but less of its brightness.
        cast: Probability of a plaster cast over a part of the film.
        marker: Probability of a side marker near a corner, never over an outline.
        wider_blur: By how many pixels the sigma of a blur may be larger than 1.2.
        harder_compression: By how much the quality of a JPEG compression may be lower than 30.

    Raises:
        ConfigError: If a range or probability is negative or too large.
    """

    rotation_degrees: float = 20.0
    scale: float = 0.2
    shift: float = 0.08
    mirror: float = 0.5
    half_turn: float = 0.0
    quarter_turn: float = 0.0
    gamma: float = 0.4
    contrast: float = 0.25
    brightness: float = 0.1
    noise: float = 0.03
    blur: float = 0.3
    recompression: float = 0.0
    flip: float = 0.0
    shear_degrees: float = 0.0
    elastic: float = 0.0
    exposure: float = 0.0
    photon_noise: float = 0.0
    cast: float = 0.0
    marker: float = 0.0
    wider_blur: float = 0.0
    harder_compression: int = 0

    def __post_init__(self) -> None:
        limits = dict.fromkeys(("flip", "cast", "marker", "photon_noise", "exposure"), 1.0)
        limits |= {"shear_degrees": 45.0, "elastic": _MOST_ELASTIC}
        limits |= {"wider_blur": 10.0, "harder_compression": _QUALITIES[0] - 1.0}
        for name, limit in limits.items():
            if not 0 <= getattr(self, name) <= limit:
                raise ConfigError(f"{name} lies in 0 to {limit:g}", got=str(getattr(self, name)))

    def as_document(self) -> dict[str, Any]:
        """Return the changes as JSON-able data; later ones only where they are switched on."""
        document = asdict(self)
        return {name: value for name, value in document.items() if value or name not in _LATER}

    def apply(
        self,
        film: npt.NDArray[np.uint8],
        outlines: list[Outline],
        *,
        rows: int,
        columns: int,
        generator: np.random.Generator,
    ) -> tuple[npt.NDArray[np.float32], list[Outline]]:
        """Return a changed film and its outlines in the new pixels.

        Args:
            film: Grey values, shape `(film rows, film columns)`.
            outlines: Outlines in pixels of `film`.
            rows: Rows of the result.
            columns: Columns of the result.
            generator: Source of all chance.

        Returns:
            Display values in [0, 1], shape `(rows, columns)`, and the moved outlines; an
            outline may reach over the border.
        """
        warp = self.draw(film.shape, rows=rows, columns=columns, generator=generator)
        moved = [warp.points(outline) for outline in outlines]
        return self.show(film, warp, outlines=moved, generator=generator), moved

    def show(
        self,
        film: npt.NDArray[np.uint8],
        warp: FilmWarp,
        *,
        outlines: list[Outline],
        generator: np.random.Generator,
    ) -> npt.NDArray[np.float32]:
        """Return a film in a drawn place and another exposure, display values in [0, 1].

        Args:
            film: Grey values, shape `(film rows, film columns)`.
            warp: Its new place, as `draw` gives it.
            outlines: In pixels of the result; no marker is laid over them.
            generator: Source of all chance.
        """
        values = warp.film(film).astype(np.float32) / np.float32(255)
        if self.marker > 0 and generator.random() < self.marker:
            values = lay_marker(values, generator, free_of=outlines)
        return self.expose(values, generator)

    def draw(
        self, shape: tuple[int, ...], *, rows: int, columns: int, generator: np.random.Generator
    ) -> FilmWarp:
        """Draw a change of place for a film of a shape; masks, boxes and points follow by it."""
        matrix = self._random_affine(shape, rows, columns, generator)
        bending = None
        if self.elastic > 0:
            bending = draw_bending(rows, columns, strength=self.elastic, generator=generator)
        return FilmWarp(matrix, rows, columns, bending)

    def _random_affine(
        self, shape: tuple[int, ...], rows: int, columns: int, generator: np.random.Generator
    ) -> npt.NDArray[np.float64]:
        """Return the `(x, y)` matrix, shape (2, 3), that maps the film's centre to the result's."""
        turned = self._quarter_turns(generator)
        high, wide = shape[::-1] if turned % 2 else shape
        fit = min(rows / high, columns / wide)
        scale = fit * (1 + generator.uniform(-self.scale, self.scale))
        angle = np.deg2rad(90 * turned + self._slight_rotation(generator))
        mirror = -1.0 if generator.random() < self.mirror else 1.0
        turn = scale * np.array(
            [[mirror * np.cos(angle), -np.sin(angle)], [mirror * np.sin(angle), np.cos(angle)]]
        )
        if self.flip > 0 and generator.random() < self.flip:
            turn = np.array([[1.0], [-1.0]]) * turn
        if self.shear_degrees > 0:
            lean = np.tan(np.deg2rad(generator.uniform(-self.shear_degrees, self.shear_degrees)))
            turn = np.array([[1.0, lean], [0.0, 1.0]]) @ turn
        center = np.array([shape[1] - 1, shape[0] - 1]) / 2
        target = np.array([columns - 1, rows - 1]) / 2
        target = target + generator.uniform(-self.shift, self.shift, 2) * (columns, rows)
        return np.hstack([turn, (target - turn @ center)[:, None]])

    def random_degrees(self, generator: np.random.Generator) -> float:
        """Return a rotation in degrees: a turn by quarters, and up to `rotation_degrees` more."""
        return 90 * self._quarter_turns(generator) + self._slight_rotation(generator)

    def _slight_rotation(self, generator: np.random.Generator) -> float:
        return float(generator.uniform(-self.rotation_degrees, self.rotation_degrees))

    def _quarter_turns(self, generator: np.random.Generator) -> int:
        standing = 1 - self.half_turn - self.quarter_turn
        side = self.quarter_turn / 2
        return int(generator.choice(4, p=(standing, side, self.half_turn, side)))

    def expose(
        self, film: npt.NDArray[np.float32], generator: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """Return a film, display values in [0, 1], in another exposure or a worse resolution."""
        if self.cast > 0 and generator.random() < self.cast:
            film = lay_cast(film, generator)
        if generator.random() < self.blur:
            if generator.random() < 0.5:
                least, most = _BLUR_PX
                sigma = generator.uniform(least, most + self.wider_blur)
                film = np.asarray(cv2.GaussianBlur(film, (0, 0), sigma), np.float32)
            else:
                shrink = generator.uniform(0.5, 0.9)
                small = cv2.resize(film, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
                film = np.asarray(cv2.resize(small, film.shape[::-1]), np.float32)
        film = film ** np.float32(np.exp(generator.uniform(-self.gamma, self.gamma)))
        contrast = 1 + generator.uniform(-self.contrast, self.contrast)
        shift = generator.uniform(-self.brightness, self.brightness)
        film = (film - np.float32(0.5)) * np.float32(contrast) + np.float32(0.5 + shift)
        if self.exposure > 0:
            film = film * np.float32(np.exp(generator.uniform(-self.exposure, self.exposure)))
        if self.photon_noise > 0:
            film = _count_photons(film, generator.uniform(0, self.photon_noise), generator)
        if self.noise > 0:
            level = generator.uniform(0, self.noise)
            film = film + generator.standard_normal(film.shape, dtype=np.float32) * np.float32(
                level
            )
        clipped: npt.NDArray[np.float32] = np.clip(film, 0, 1).astype(np.float32)
        if generator.random() < self.recompression:
            return recompress(clipped, quality=self._quality(generator))
        return clipped

    def _quality(self, generator: np.random.Generator) -> int:
        lowest, highest = _QUALITIES
        return int(generator.integers(lowest - self.harder_compression, highest + 1))


def recompress(film: npt.NDArray[np.float32], *, quality: int) -> npt.NDArray[np.float32]:
    """Return a film, display values in [0, 1], after a JPEG compression in 8 bits."""
    eight_bit = np.round(film * np.float32(255)).astype(np.uint8)
    _, data = cv2.imencode(".jpg", eight_bit, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    return np.asarray(decoded, np.float32) / np.float32(255)


def _count_photons(
    film: npt.NDArray[np.float32], noise: float, generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return a film as if so many photons made white that its relative noise is `noise`."""
    if noise < 1e-4:
        return film
    photons = 1 / noise**2
    counted = generator.poisson(np.clip(film, 0, 1).astype(np.float64) * photons)
    return (counted / photons).astype(np.float32)
