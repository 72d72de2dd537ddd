"""What a detector makes of rays: physics with known answers, the same film from the same seed."""

from dataclasses import replace

import numpy as np
import pytest

from fracturax.core.errors import DataError, GeometryError, ImageError, UnknownNameError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Volume
from fracturax.simulation.attenuation import ALUMINIUM_G_CM3, mass_attenuation
from fracturax.simulation.bone_phantom import Cleft, ShaftPhantom
from fracturax.simulation.cone_beam import ConeBeam, view
from fracturax.simulation.film import Exposure, expose, primary_light
from fracturax.simulation.scene import Projection, Scene
from fracturax.simulation.soft_tissue import fill_zeros
from fracturax.simulation.solids import Cuboid, Sphere
from fracturax.simulation.spectrum import Spectrum

BEAM = ConeBeam(1000, 900, rows=64, columns=48, pixel_mm=(1.5, 1.5))
PLAIN = Exposure(photons_per_mm2=None, scatter=0, blur_mm=0)


def _slab(water_mm: float, bone_mm: float = 0.0) -> Projection:
    shape = BEAM.rows, BEAM.columns
    return Projection(
        BEAM,
        np.full(shape, water_mm, np.float32),
        np.full(shape, bone_mm, np.float32),
        (),
        np.zeros((*shape, 0), np.float32),
    )


def _film(projection: Projection, exposure: Exposure, seed: int = 0) -> np.ndarray:
    return expose(projection, exposure, rng=np.random.default_rng(seed)).pixels


def test_the_half_value_layer_is_that_of_a_diagnostic_tube() -> None:
    # IEC 60601-1-3 asks for at least 2.9 mm of aluminium at 80 kV. Kerma in air is about as
    # absorption in water is.
    kev, share = Spectrum(80, filter_mm_al=3.0, bins=32).photons
    thickness = np.linspace(0, 10, 1001)
    mu = mass_attenuation("aluminium", kev) * ALUMINIUM_G_CM3 / 10
    dose = share * kev * mass_attenuation("water", kev)
    left = (dose * np.exp(-np.outer(thickness, mu))).sum(axis=1)
    assert 2.9 < thickness[np.searchsorted(-left, -left[0] / 2)] < 4.0


def test_few_bins_weaken_as_many_do() -> None:
    few, many = (primary_light(_slab(200, 10), Spectrum(80, bins=bins))[0, 0] for bins in (8, 64))
    # In units of attenuation, which is what a film shows.
    assert np.log(few) == pytest.approx(np.log(many), rel=0.005)


def test_light_falls_as_beer_and_lambert_say_and_the_beam_hardens() -> None:
    light = [float(primary_light(_slab(mm), Spectrum())[0, 0]) for mm in (0, 100, 200)]
    assert light[0] == pytest.approx(1)
    assert light[1] ** 2 < light[2] < light[1]


def test_noise_has_the_size_of_its_photons() -> None:
    exposure = replace(PLAIN, photons_per_mm2=1000.0, look="linear")
    expected = float(primary_light(_slab(50), exposure.spectrum)[0, 0])
    light = 1 - _film(_slab(50), exposure)
    assert light.mean() == pytest.approx(expected, rel=0.01)
    assert light.std() == pytest.approx(np.sqrt(expected / (1000 * 1.5**2)), rel=0.1)


def test_the_same_seed_gives_the_same_film_and_another_seed_another() -> None:
    films = [_film(_slab(100), Exposure(), seed) for seed in (1, 1, 2)]
    assert np.array_equal(films[0], films[1])
    assert not np.array_equal(films[0], films[2])


def test_scatter_adds_light_behind_matter_and_none_in_air() -> None:
    exposure = replace(PLAIN, scatter=0.1, look="linear")
    thick, air = _slab(150), _slab(0)
    assert _film(thick, exposure).mean() < _film(thick, replace(exposure, scatter=0)).mean()
    assert _film(air, exposure).max() == pytest.approx(0, abs=1e-6)


def test_a_film_says_that_it_is_synthetic_and_how_it_was_made() -> None:
    beam = replace(BEAM, pose=view("LL"))
    projection = replace(_slab(100), beam=beam)
    film = expose(projection, Exposure(Spectrum(70)), rng=np.random.default_rng(0))
    assert film.acquisition.is_phantom
    assert (film.acquisition.kvp, film.acquisition.view_position) == (70, "LL")
    assert film.geometry.spacing_mm == (1.5, 1.5)
    parameters = dict(film.history[0].parameters)
    assert parameters["is_synthetic"] is True
    assert parameters["pose_rotation_deg"] == "0.0 0.0 90.0"
    assert parameters["spectrum_kvp"] == 70


def test_a_film_of_air_is_black_and_no_nan() -> None:
    for look in ("log", "linear"):
        film = _film(_slab(0), replace(PLAIN, look=look))  # type: ignore[arg-type]
        assert np.isfinite(film).all()
        assert film.max() < 0.1
    dark = _film(_slab(5000), replace(PLAIN, photons_per_mm2=10.0))
    assert np.isfinite(dark).all()


def test_a_planted_cleft_is_seen_in_the_film_and_in_the_labels() -> None:
    shape, beam = (100, 64, 64), replace(BEAM, rows=96)
    whole, one = ShaftPhantom().build(shape=shape)
    broken, two = ShaftPhantom(cleft=Cleft(5.0, 0.0, 4.0)).build(shape=shape)
    assert np.unique(one.pixels).tolist() == [0, 1]
    assert np.unique(two.pixels).tolist() == [0, 1, 2]
    films = [_film(Scene(volume).cast(beam), PLAIN) for volume in (whole, broken)]
    row = round(float(beam.project(np.array([[0.0, 0.0, 5.0]]))[0, 0]))
    center = beam.columns // 2
    assert films[0][row, center] - films[1][row, center] > 0.1
    upper, lower = (Scene(broken, two).cast(beam).box(label) for label in (1, 2))
    assert upper is not None
    assert lower is not None
    assert upper.row_max <= lower.row_min


def test_a_displaced_fragment_lies_beside() -> None:
    phantom = ShaftPhantom(cleft=Cleft(0.0, 0.0, 1.0, shift_mm=(8.0, 0.0)))
    _, labels = phantom.build(shape=(100, 64, 80))
    columns = [np.nonzero(labels.pixels == label)[2].mean() * 0.8 for label in (1, 2)]
    assert columns[1] - columns[0] == pytest.approx(8.0, abs=0.5)


def test_filled_zeros_leave_no_trace_of_zero_and_keep_the_bone() -> None:
    hu = np.zeros((12, 60, 60), np.int16)
    hu[2:10, 22:38, 20:29] = 700
    hu[2:10, 22:38, 31:40] = 700  # a gap of two voxels in between
    bones = Volume(hu, geometry=Geometry.from_affine(np.diag([1.0, 1.0, 1.0, 1.0])))
    filled, again = (
        fill_zeros(bones, rng=np.random.default_rng(3), margin_mm=15) for _ in range(2)
    )
    assert np.array_equal(filled.pixels, again.pixels)
    assert (filled.pixels[hu != 0] == 700).all()
    gap = filled.pixels[5, 30, 29:31]
    assert (gap > 100).all()
    assert (gap < 700).all()
    assert filled.pixels[5, 0, 0] == -1000
    assert (filled.pixels == 0).mean() < 0.03
    assert filled.history[-1].name == "fill_zeros"


@pytest.mark.parametrize("value", [0, 5])
def test_only_zeros_or_none_cannot_be_filled(value: int) -> None:
    volume = Volume(np.full((3, 3, 3), value, np.int16), geometry=Geometry.from_affine(np.eye(4)))
    with pytest.raises(DataError, match="zeros"):
        fill_zeros(volume, rng=np.random.default_rng(0))


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(ImageError, match="kvp"):
        Spectrum(float("nan"))
    with pytest.raises(ImageError, match="photons"):
        Exposure(photons_per_mm2=0)
    with pytest.raises(ImageError, match="scatter"):
        Exposure(scatter=-1)
    with pytest.raises(UnknownNameError, match="AP"):
        view("APP")
    with pytest.raises(UnknownNameError, match="material"):
        mass_attenuation("lead", 50)
    with pytest.raises(ImageError, match="energy"):
        mass_attenuation("water", 500)
    with pytest.raises(GeometryError, match="fit into each other"):
        ShaftPhantom(cortex_mm=20)
    with pytest.raises(GeometryError, match="does not lie in the bone"):
        ShaftPhantom(cleft=Cleft(height_mm=90))
    with pytest.raises(GeometryError, match="radius"):
        Sphere((0, 0, 0), 0)
    with pytest.raises(GeometryError, match="sides"):
        Cuboid((0, 0, 0), (1, 0, 1))
