"""A pose that is known is found again, and a film that fits nothing is said not to."""

from dataclasses import replace

import numpy as np
import pytest

from fracturax.core.errors import GeometryError, ImageError
from fracturax.core.image import Radiograph, Volume
from fracturax.simulation.cone_beam import Pose
from fracturax.simulation.pose_search import PoseSearch
from synthetic_pair import BEAM, POSE, film_of, synthetic_ct


@pytest.fixture(scope="module")
def ct() -> Volume:
    return synthetic_ct()


@pytest.fixture(scope="module")
def film(ct: Volume) -> Radiograph:
    return film_of(ct)


def test_a_pose_is_found_again_from_10_degrees_and_20_mm_off(ct: Volume, film: Radiograph) -> None:
    start = replace(BEAM, pose=Pose((11.0, -8.0, 10.0), (15.0, 5.0, -9.0)))
    match = PoseSearch(ct).find(film, start)
    off = np.abs(np.subtract(match.beam.pose.translation_mm, POSE.translation_mm))
    assert match.is_usable
    assert match.beam.pose.angle_to(POSE) < 1
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
