"""What a detector makes of the rays: spectrum, scatter, blur, noise, and the look of a film."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Acquisition, Radiograph, Step
from fracturax.simulation.attenuation import BONE_G_CM3, mass_attenuation
from fracturax.simulation.cone_beam import VIEWS, ConeBeam
from fracturax.simulation.scene import Projection
from fracturax.simulation.spectrum import Spectrum

Floats = npt.NDArray[np.float32]

_COARSE_PIXEL_MM = 8.0
_LEAST_SIGNAL = 1e-6
_BODY_ATTENUATION = 0.5
_BODY_PERCENTILES = (15.0, 99.8)
_SHOULDER = 2.5
_COMPRESSION, _COMPRESSION_MM = 0.5, 30.0


@dataclass(frozen=True)
class Exposure:
    """How a film is exposed and shown.

    Args:
        spectrum: What leaves the tube.
        photons_per_mm2: Photons that would reach the detector through air; None is no noise.
        scatter: Scattered light per primary light and unit of attenuation; 0 is none, 0.05 to
            0.15 a film with a grid, 0.5 one without.
        scatter_mm: Standard deviation of its spread at the detector.
        blur_mm: Standard deviation of focal spot and detector at the detector; 0 is none.
        look: `log` shows attenuation through an S-shaped curve, as a film does; `linear` shows
            what is absorbed of the beam.

    Raises:
        ImageError: If a number lies outside its range.
    """

    spectrum: Spectrum = field(default_factory=Spectrum)
    photons_per_mm2: float | None = 2e6
    scatter: float = 0.08
    scatter_mm: float = 40.0
    blur_mm: float = 0.3
    look: Literal["log", "linear"] = "log"

    def __post_init__(self) -> None:
        photons = math.inf if self.photons_per_mm2 is None else self.photons_per_mm2
        for name, is_fine, value in (
            ("photons_per_mm2 is positive, or None", photons > 0, photons),
            ("scatter lies in [0, 2]", 0 <= self.scatter <= 2, self.scatter),
            ("scatter_mm lies in [1, 500]", 1 <= self.scatter_mm <= 500, self.scatter_mm),
            ("blur_mm lies in [0, 20]", 0 <= self.blur_mm <= 20, self.blur_mm),
            ("look is log or linear", self.look in {"log", "linear"}, self.look),
        ):
            if not is_fine:
                raise ImageError(name, got=str(value))


def expose(
    projection: Projection, exposure: Exposure, *, rng: np.random.Generator, name: str = "film"
) -> Radiograph:
    """Return the film of a projection: bone bright, marked as synthetic.

    Args:
        projection: What the rays crossed.
        exposure: How the film is exposed and shown.
        rng: Source of the noise; the same seed gives the same film.
        name: Name of the film.

    Returns:
        Display values in [0, 1] at the detector's pixel spacing; the history holds exposure and
        geometry, `is_phantom` says that it is no film of a patient.

    References:
        Ohnesorge, Flohr & Klingenbeck-Regn, Efficient object scatter correction algorithm for
        third and fourth generation CT scanners, Eur. Radiol. 9, 563-569 (1999),
        doi 10.1007/s003300050710, for scatter as a blurred function of the primary light.

    Example:
        >>> beam = ConeBeam(rows=4, columns=4, pixel_mm=(1.0, 1.0))
        >>> water = np.full((4, 4), 100, np.float32)
        >>> bone = np.diag(np.full(4, 9, np.float32))
        >>> paths = np.zeros((4, 4, 0), np.float32)
        >>> film = expose(
        ...     Projection(beam, water, bone, (), paths), Exposure(), rng=np.random.default_rng(0)
        ... )
        >>> bool(film.pixels[0, 0] > film.pixels[0, 3]), film.acquisition.is_phantom
        (True, True)
    """
    beam = projection.beam
    light = _with_scatter(primary_light(projection, exposure.spectrum), exposure, beam)
    light = _blurred(light, exposure.blur_mm, beam)
    if exposure.photons_per_mm2 is not None:
        expected = exposure.photons_per_mm2 * beam.pixel_mm[0] * beam.pixel_mm[1]
        light = np.asarray(rng.poisson(light * expected) / expected, np.float32)
    return Radiograph(
        develop(light, exposure.look, beam),
        name=name,
        geometry=Geometry(beam.pixel_mm, "imager_plane"),
        acquisition=Acquisition(
            "DX", view_position=_view_of(beam), kvp=exposure.spectrum.kvp, is_phantom=True
        ),
        history=(_step(exposure, beam),),
    )


def primary_light(projection: Projection, spectrum: Spectrum) -> Floats:
    """Return what reaches the detector unscattered, as a share of what does through air.

    The detector adds up energy: Beer-Lambert for each bin, weighted by its energy.
    """
    energies, shares = spectrum.photons
    weights = energies * shares / float(energies @ shares)
    water = mass_attenuation("water", energies) / 10
    bone = mass_attenuation("bone", energies) * BONE_G_CM3 / 10
    light = np.zeros(projection.water_mm.shape, np.float32)
    for weight, in_water, in_bone in zip(weights, water, bone, strict=True):
        exponent = projection.water_mm * np.float32(-in_water)
        exponent -= projection.bone_mm * np.float32(in_bone)
        light += np.float32(weight) * np.exp(exponent)
    return light


def _with_scatter(light: Floats, exposure: Exposure, beam: ConeBeam) -> Floats:
    if exposure.scatter == 0:
        return light
    # The more matter the light met, the more of it was scattered; air scatters nothing.
    scattered = light * -np.log(np.maximum(light, np.float32(_LEAST_SIGNAL)))
    spread = _spread(scattered, exposure.scatter_mm, beam)
    return np.asarray(light + exposure.scatter * np.maximum(spread, 0), np.float32)


def _spread(picture: Floats, sigma_mm: float, beam: ConeBeam) -> Floats:
    """Return a picture smoothed widely, on a coarse grid for speed."""
    rows, columns = (
        max(1, round(size * pixel / _COARSE_PIXEL_MM))
        for size, pixel in zip(picture.shape, beam.pixel_mm, strict=True)
    )
    coarse_beam = beam.sized(rows, columns)
    small = cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA)
    coarse = _blurred(np.asarray(small, np.float32).reshape(rows, columns), sigma_mm, coarse_beam)
    wide = cv2.resize(coarse, picture.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(wide, np.float32).reshape(picture.shape)


def _blurred(light: Floats, blur_mm: float, beam: ConeBeam) -> Floats:
    if blur_mm == 0:
        return light
    blurred = cv2.GaussianBlur(
        *(light, (0, 0)), sigmaX=blur_mm / beam.pixel_mm[1], sigmaY=blur_mm / beam.pixel_mm[0]
    )
    return np.asarray(blurred, np.float32).reshape(light.shape)


def develop(light: Floats, look: Literal["log", "linear"], beam: ConeBeam) -> Floats:
    """Return what is shown of the light at the detector: values in [0, 1], bone bright."""
    if look == "linear":
        return np.clip(1 - light, 0, 1)
    attenuation = -np.log(np.maximum(light, np.float32(_LEAST_SIGNAL)))
    is_body = attenuation > _BODY_ATTENUATION
    # Thick and thin parts are brought nearer to each other, as the stations of today do.
    attenuation -= _COMPRESSION * _spread(attenuation, _COMPRESSION_MM, beam)
    low, high = 0.0, 1.0
    if is_body.any():
        low, high = (float(one) for one in np.percentile(attenuation[is_body], _BODY_PERCENTILES))
    share = (attenuation - low) / max(high - low, _BODY_ATTENUATION)
    # The curve of a film: flat where it is dark and where it is bright.
    curve = 1 / (1 + np.exp(-_SHOULDER * (2 * np.clip(share, -1, 2) - 1)))
    return np.asarray(curve, np.float32)


def _view_of(beam: ConeBeam) -> str | None:
    turned = beam.pose.rotation_deg
    return next((name for name, pose in VIEWS.items() if pose.rotation_deg == turned), None)


def _step(exposure: Exposure, beam: ConeBeam) -> Step:
    """Return exposure and geometry as the step that made a film."""
    document = {"is_synthetic": True, **asdict(beam), **asdict(exposure)}
    parameters: list[tuple[str, str | float | int | bool]] = []
    for key, value in document.items():
        inner = value if isinstance(value, dict) else {"": value}
        for name, one in inner.items():
            is_plain = isinstance(one, str | float | int | bool)
            text = one if is_plain else "none" if one is None else " ".join(map(str, one))
            parameters.append(("_".join(part for part in (key, name) if part), text))
    return Step("simulate_radiograph", tuple(parameters))
