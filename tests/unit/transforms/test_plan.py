import json

import numpy as np
import pytest

from fracturax.core.config import build
from fracturax.transforms.plan import PreprocessingPlan
from fracturax.transforms.stretch import stretch

PLAN = PreprocessingPlan(96, 64)


def _film(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(rows).random((rows, columns), np.float32)


def test_a_plan_that_travelled_as_json_replays_bit_for_bit() -> None:
    document = json.loads(json.dumps(PLAN.as_document()))
    again = build(PreprocessingPlan, document, where="bundle.json")
    assert again.sha256 == PLAN.sha256
    film = _film(301, 177)
    values, place = PLAN.apply(film)
    replayed, other = again.apply(film.copy())
    assert values.tobytes() == replayed.tobytes()
    assert place == other


@pytest.mark.parametrize("change", ["rows", "columns", "low_percentile", "high_percentile"])
def test_every_value_of_a_plan_is_in_its_hash(change: str) -> None:
    document = PLAN.as_document()
    document[change] += 1
    assert build(PreprocessingPlan, document, where="x").sha256 != PLAN.sha256


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_a_constant_film_becomes_black(value: float) -> None:
    values, _ = PLAN.apply(np.full((50, 70), value, np.float32))
    assert not values.any()


@pytest.mark.parametrize(
    "shape", [(96, 64), (95, 64), (97, 65), (1000, 10), (10, 1000), (1, 1), (33, 2000), (7, 5)]
)
def test_any_film_fits_whole_into_the_input(shape: tuple[int, int]) -> None:
    values, place = PLAN.apply(_film(*shape))
    assert (values.shape, values.dtype) == ((96, 64), np.float32)
    assert 0 <= values.min() <= values.max() <= 1
    assert place.row_offset >= 0
    assert place.column_offset >= 0
    assert place.row_offset + shape[0] * place.scale <= 96 + 0.5
    assert place.column_offset + shape[1] * place.scale <= 64 + 0.5


def test_proportions_are_kept_and_the_rest_is_black_on_both_sides() -> None:
    values, place = PreprocessingPlan(64, 64, 0, 100).apply(np.eye(200, 100, dtype=np.float32) + 1)
    assert (place.scale, place.column_offset, place.row_offset) == (0.32, 16, 0)
    assert not values[:, :16].any()
    assert not values[:, 48:].any()


def test_a_film_of_the_size_of_the_input_is_only_stretched() -> None:
    film = _film(96, 64)
    values, place = PreprocessingPlan(96, 64, 0, 100).apply(film)
    assert (place.scale, place.row_offset, place.column_offset) == (1, 0, 0)
    assert np.allclose(values, (film - film.min()) / (film.max() - film.min()), atol=1e-6)


def test_exposure_does_not_change_what_the_network_sees() -> None:
    film = _film(120, 90)
    values, _ = PLAN.apply(film)
    darker, _ = PLAN.apply(film * np.float32(0.5) + np.float32(0.2))
    assert np.allclose(values, darker, atol=1e-5)


def test_black_and_white_become_0_and_1_and_the_rest_is_clipped() -> None:
    ramp = np.linspace(0, 1, 1001, dtype=np.float32)
    stretched = stretch(ramp, black=0.1, white=0.9)
    assert np.allclose(stretched[[0, 100, 500, 900, 1000]], [0, 0, 0.5, 1, 1], atol=1e-6)


def test_the_film_given_is_not_changed() -> None:
    film = _film(50, 40)
    film.flags.writeable = False
    PLAN.apply(film)
