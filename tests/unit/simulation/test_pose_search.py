"""A pose that is known is found again, and a film that fits nothing is said not to."""

from dataclasses import replace

import numpy as np
import pytest

from fracturax.core.errors import GeometryError, ImageError
from fracturax.core.image import Radiograph, Volume
from fracturax.simulation.cone_beam import ConeBeam, Pose
from fracturax.simulation.film import Exposure, expose
from fracturax.simulation.pose_search import PoseSearch
from fracturax.simulation.scene import Scene
from fracturax.simulation.solids import Cuboid, Sphere, voxelize

TRUTH = Pose((3.0, -4.0, 6.0), (4.0, -5.0, 3.0))
BEAM = ConeBeam(1150, 900, rows=96, columns=96, pixel_mm=(1.6, 1.6), pose=TRUTH)


@pytest.fixture(scope="module")
def ct() -> Volume:
    """Bones of no symmetry in flesh."""
    rng = np.random.default_rng(4)
    knobs = [
        Sphere(
            tuple(rng.uniform(-32, 32, 3)), float(rng.uniform(4, 9)), float(rng.uniform(400, 1200))
        )
        for _ in range(12)
    ]
    flesh = Cuboid((0, 0, 0), (96, 84, 90), 40)
    bar = Cuboid((10, -5, -8), (50, 9, 12), 900)
    return voxelize([flesh, bar, *knobs], shape=(52, 50, 56), spacing_mm=2.0)


@pytest.fixture(scope="module")
def film(ct: Volume) -> Radiograph:
    return expose(Scene(ct).cast(BEAM), Exposure(), rng=np.random.default_rng(0))


def test_a_pose_is_found_again_from_10_degrees_and_20_mm_off(ct: Volume, film: Radiograph) -> None:
    start = replace(BEAM, pose=Pose((11.0, -8.0, 10.0), (15.0, 5.0, -9.0)))
    match = PoseSearch(ct).find(film, start)
    off = np.abs(np.subtract(match.beam.pose.translation_mm, TRUTH.translation_mm))
    assert match.is_usable
    assert match.beam.pose.angle_to(TRUTH) < 1
    assert off[[0, 2]].max() < 2
    assert off[1] < 10


def test_a_film_of_something_else_is_said_to_fit_nothing(ct: Volume) -> None:
    noise = np.random.default_rng(0).uniform(0, 1, (96, 96)).astype(np.float32)
    match = PoseSearch(ct).find(Radiograph(noise), BEAM)
    assert not match.is_usable
    assert "score" in match.reason


def test_films_that_cannot_be_compared_are_refused(ct: Volume) -> None:
    search = PoseSearch(ct)
    with pytest.raises(GeometryError, match="not of this detector"):
        search.find(Radiograph(np.eye(5, dtype=np.float32)), BEAM)
    with pytest.raises(ImageError, match="same everywhere"):
        search.find(Radiograph(np.zeros((96, 96), np.float32)), BEAM)
