"""What every way of bringing a film into the model's input obeys."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fracturax.core.geometry import Box
from fracturax.transforms.plan import PreprocessingPlan

PLANS = st.sampled_from(
    [PreprocessingPlan(64, 64, 0, 100), PreprocessingPlan(96, 64, 0, 100), PreprocessingPlan()]
)
SIDES = st.integers(60, 500)


@st.composite
def film_and_box(draw: st.DrawFn) -> tuple[int, int, Box]:
    """The shape of a film, and a box of whole pixels in it, a third of a side or more."""
    rows, columns = draw(SIDES), draw(SIDES)
    top = draw(st.integers(0, rows // 2))
    left = draw(st.integers(0, columns // 2))
    bottom = draw(st.integers(top + rows // 3, rows))
    right = draw(st.integers(left + columns // 3, columns))
    return rows, columns, Box(top, left, bottom, right)


@given(plan=PLANS, drawn=film_and_box())
@settings(max_examples=60, deadline=None)
def test_an_inverted_box_comes_back(plan: PreprocessingPlan, drawn: tuple[int, int, Box]) -> None:
    rows, columns, box = drawn
    _, place = plan.apply(np.zeros((rows, columns), np.float32))
    back = place.to_original(place.to_input(box))
    assert np.abs(np.subtract(back.as_tuple(), box.as_tuple())).max() < 0.5


@given(plan=PLANS, drawn=film_and_box())
@settings(max_examples=60, deadline=None)
def test_a_box_goes_where_its_pixels_go(
    plan: PreprocessingPlan, drawn: tuple[int, int, Box]
) -> None:
    rows, columns, box = drawn
    film = np.zeros((rows, columns), np.float32)
    film[int(box.row_min) : int(box.row_max), int(box.column_min) : int(box.column_max)] = 1.0
    values, place = plan.apply(film)
    if film.all():
        return  # a constant film becomes black
    placed = place.to_input(box)
    # A half-covered pixel counts half: the sums along each axis give the edges.
    mass = values.sum()
    for axis, (low, high) in enumerate(
        [(placed.row_min, placed.row_max), (placed.column_min, placed.column_max)]
    ):
        profile = values.sum(axis=1 - axis)
        center = (profile * (np.arange(len(profile)) + 0.5)).sum() / mass
        assert abs(center - (low + high) / 2) <= 0.5
