from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from torch.utils.data import DataLoader

from fracturax.core.case import Polygon, Reference
from fracturax.core.geometry import Box
from fracturax.core.image import Radiograph, Step
from fracturax.training.batches import (
    AugmentedFilms,
    BalancedDraws,
    ExactFilms,
    StoredFilm,
    collate,
    outlines_of,
    store_film,
)
from fracturax.training.recipe import Recipe
from fracturax.transforms.augment import Augmentation
from fracturax.transforms.blanking import Blanking
from fracturax.transforms.plan import PreprocessingPlan

STILL = Augmentation(
    rotation_degrees=0, scale=0, shift=0, mirror=0, gamma=0, contrast=0, brightness=0, noise=0,
    blur=0,
)  # fmt: skip


@pytest.mark.parametrize(("share", "fractured"), [(0.25, 4), (0.5, 8), (0.4, 6)])
def test_an_epoch_has_its_share_of_fractured_films(
    stored_films: list[StoredFilm],
    recipe_of: Callable[..., Recipe],
    share: float,
    fractured: int,
) -> None:
    draws = BalancedDraws(stored_films, recipe_of(fractured_share=share))
    for _ in range(3):
        drawn = [index for _, _, index in draws]
        assert len(drawn) == len(draws) == 16
        assert sum(stored_films[index].reference.fracture for index in drawn) == fractured


def test_each_film_comes_equally_often_within_its_kind(
    stored_films: list[StoredFilm], recipe_of: Callable[..., Recipe]
) -> None:
    draws = BalancedDraws(stored_films, recipe_of(epoch_films=100, fractured_share=0.32))
    counts = Counter(index for _, _, index in draws)
    assert {counts[index] for index in range(0, 16, 2)} == {4}
    assert {counts[index] for index in range(1, 16, 2)} == {8, 9}


def test_balanced_by_acquisition_no_group_tells_the_label(
    stored_films: list[StoredFilm], recipe_of: Callable[..., Recipe]
) -> None:
    # Eight fractured films, of even number: seven from "a"; eight normal ones: two from "a".
    in_a = {*range(0, 14, 2), 1, 3}
    groups = ["a" if number in in_a else "b" for number in range(16)]
    films = [
        replace(film, acquisition=name) for film, name in zip(stored_films, groups, strict=True)
    ]
    recipe = recipe_of(epoch_films=160, fractured_share=0.4)
    recipe = replace(recipe, data=replace(recipe.data, balance="acquisition"))
    drawn = Counter(
        (films[index].reference.fracture, groups[index])
        for _, _, index in BalancedDraws(films, recipe)
    )
    # "a" holds 7/8 of the fractured and 2/8 of the normal films: 9/16 of each kind is drawn.
    assert drawn == {(True, "a"): 36, (True, "b"): 28, (False, "a"): 54, (False, "b"): 42}


def test_a_group_of_one_label_only_is_drawn_with_the_others(
    stored_films: list[StoredFilm], recipe_of: Callable[..., Recipe]
) -> None:
    films = [
        replace(film, acquisition="c" if number == 0 else "a")
        for number, film in enumerate(stored_films)
    ]
    recipe = recipe_of(epoch_films=32, fractured_share=0.5)
    recipe = replace(recipe, data=replace(recipe.data, balance="acquisition"))
    drawn = [index for _, _, index in BalancedDraws(films, recipe)]
    assert sum(films[index].reference.fracture for index in drawn) == 16
    assert set(drawn) == set(range(16))


def test_a_run_that_goes_on_draws_what_it_would_have_drawn(
    stored_films: list[StoredFilm], recipe_of: Callable[..., Recipe]
) -> None:
    whole = BalancedDraws(stored_films, recipe_of())
    epochs = [list(whole) for _ in range(3)]
    assert list(BalancedDraws(stored_films, recipe_of(), first_epoch=2)) == epochs[2]
    assert epochs[0] != epochs[1]


def test_the_draw_alone_decides_how_a_film_is_changed(
    stored_films: list[StoredFilm], recipe_of: Callable[..., Recipe]
) -> None:
    films = AugmentedFilms(stored_films, recipe_of())
    images = [films[draw].image for draw in ((0, 3, 2), (0, 3, 2), (0, 4, 2), (1, 3, 2))]
    assert np.array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])
    assert not np.array_equal(images[0], images[3])


def test_the_heat_of_an_exact_film_covers_its_gap_and_its_box(
    stored_films: list[StoredFilm],
) -> None:
    sample = ExactFilms(stored_films)[0]
    top, left, bottom, right = sample.boxes[0]
    image = sample.image[0]
    inside = image[int(top) + 2 : int(bottom) - 1, int(left) + 4 : int(right) - 4]
    above = image[int(top) - 8 : int(top) - 2, int(left) + 4 : int(right) - 4]
    assert inside.mean() < 0.5 * above.mean()
    # A rectangle fills its box: the heat holds its area, in cells of 8 x 8.
    assert sample.heat.sum() == pytest.approx((bottom - top) * (right - left) / 64, rel=0.3)
    hot = np.argwhere(sample.heat > 0) * 8
    assert hot.min(axis=0) == pytest.approx([top // 8 * 8, left // 8 * 8], abs=8)


def test_what_is_trained_on_unmoved_lies_where_the_exact_film_has_it(
    stored_films: list[StoredFilm], recipe_of: Callable[..., Recipe]
) -> None:
    still = AugmentedFilms(stored_films, replace(recipe_of(), augmentation=STILL))
    exact = ExactFilms(stored_films)
    for index in range(16):
        moving, fixed = still[0, 0, index], exact[index]
        assert np.abs(moving.image - fixed.image).mean() < 0.03
        assert moving.fracture == fixed.fracture
        assert np.allclose(moving.boxes, fixed.boxes, atol=0.6)
        assert np.array_equal(moving.context, fixed.context)


def test_a_film_whose_fracture_is_filled_in_shows_none_and_only_one_that_is_marked_can_be(
    stored_films: list[StoredFilm], recipe_of: Callable[..., Recipe]
) -> None:
    unmarked = replace(stored_films[0], outlines=[], reference=Reference(True, boxes=None))
    films = [*stored_films[:8], unmarked]
    still = replace(recipe_of(), augmentation=STILL)
    shown = AugmentedFilms(films, still)
    blanked = AugmentedFilms(films, replace(still, blanking=Blanking(fractures=1)))
    for index, film in enumerate(films):
        before, after = shown[0, 0, index], blanked[0, 0, index]
        is_filled = bool(film.outlines)
        assert np.array_equal(before.image, after.image) != is_filled
        if is_filled:
            assert (after.fracture, len(after.boxes), after.heat.sum()) == (0.0, 0, 0.0)
            assert after.is_marked
        else:
            assert after.fracture == before.fracture
        assert np.array_equal(after.context, before.context)
    assert {film.reference.fracture for film in films} == {True, False}


def test_windows_keep_the_fracture_and_little_else(
    stored_films: list[StoredFilm], recipe_of: Callable[..., Recipe]
) -> None:
    still = replace(recipe_of(), augmentation=STILL)
    shown = AugmentedFilms(stored_films, still)
    windows = AugmentedFilms(stored_films, replace(still, blanking=Blanking(windows=1)))
    for index, film in enumerate(stored_films[:8]):
        before, after = shown[0, 0, index], windows[0, 0, index]
        assert after.fracture == before.fracture
        assert np.array_equal(after.boxes, before.boxes)
        assert (after.image > 0).mean() < (before.image > 0).mean()
        if film.outlines:
            top, left, bottom, right = np.round(before.boxes[0]).astype(int)
            inside = np.s_[0, top:bottom, left:right]
            assert np.array_equal(after.image[inside], before.image[inside])


def _with_outline(film: StoredFilm, points: list[list[float]]) -> StoredFilm:
    return replace(film, outlines=[np.array(points, np.float32)])


def test_a_fracture_out_of_view_is_no_fracture_to_be_seen(stored_films: list[StoredFilm]) -> None:
    outside = _with_outline(stored_films[0], [[-30, -30], [-30, -10], [-10, -10], [-10, -30]])
    sample = ExactFilms([outside])[0]
    assert (sample.fracture, len(sample.boxes), sample.heat.sum()) == (0.0, 0, 0.0)


def test_a_fracture_that_is_half_in_view_still_counts(stored_films: list[StoredFilm]) -> None:
    half = _with_outline(stored_films[0], [[-9, 18], [-9, 36], [9, 36], [9, 18]])
    sample = ExactFilms([half])[0]
    assert sample.fracture == 1.0
    assert sample.boxes[0].tolist() == pytest.approx([0, 16, 8, 32])


def test_an_unmarked_fracture_is_a_fracture_without_a_place(
    stored_films: list[StoredFilm],
) -> None:
    unmarked = replace(stored_films[0], outlines=[], reference=Reference(True, boxes=None))
    sample = ExactFilms([unmarked])[0]
    assert (sample.fracture, sample.is_marked, len(sample.boxes)) == (1.0, False, 0)


def test_a_box_without_a_drawn_outline_becomes_its_oval() -> None:
    boxes = (Box(10, 20, 30, 80), Box(0, 0, 4, 4))
    outlines = outlines_of(Reference(True, boxes, polygons=()))
    assert [cv2.contourArea(outline) for outline in outlines] == pytest.approx(
        [np.pi / 4 * box.area for box in boxes], rel=0.05
    )
    drawn = Polygon(((0, 0), (0, 4), (4, 4)))
    assert len(outlines_of(Reference(True, boxes, polygons=(drawn,)))[0]) == 16
    assert outlines_of(Reference(False, ())) == []


def test_a_batch_holds_its_films_in_order(stored_films: list[StoredFilm]) -> None:
    exact = ExactFilms(stored_films)
    batch = next(iter(DataLoader(exact, batch_size=5, collate_fn=collate)))
    assert batch.images.shape == (5, 1, 64, 64)
    assert batch.heat.shape == (5, 8, 8)
    assert batch.fracture.tolist() == [1, 0, 1, 0, 1]
    assert [len(boxes) for boxes in batch.boxes] == [1, 0, 1, 0, 1]
    assert batch.is_marked.tolist() == [True] * 5
    for index in range(5):
        assert np.array_equal(batch.images[index].numpy(), exact[index].image)


def test_a_film_in_a_frame_is_stored_as_without_it_where_a_step_cuts_the_frame_off() -> None:
    bare = np.random.default_rng(0).random((200, 150), np.float32)
    framed = np.zeros((260, 190), np.float32)
    framed[40:240, 10:160] = bare
    plans = PreprocessingPlan(64, 64), PreprocessingPlan(64, 64, steps=(Step("crop_border"),))
    boxes = Box(50, 40, 90, 100), Box(90, 50, 130, 110)
    one, other = (
        store_film("a", Radiograph(pixels), Reference(True, (box,)), plan)
        for pixels, box, plan in zip((bare, framed), boxes, plans, strict=True)
    )
    assert np.array_equal(one.pixels, other.pixels)
    assert np.array_equal(one.evaluation_pixels, other.evaluation_pixels)
    assert np.allclose(one.outlines[0], other.outlines[0], atol=1e-3)
    assert other.reference.boxes == (boxes[0],)
