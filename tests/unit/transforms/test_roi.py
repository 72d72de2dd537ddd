"""Region of interest: a bone drawn at a known place, cut out or shown as a second channel."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fracturax.core.config import build
from fracturax.core.errors import ConfigError
from fracturax.core.geometry import Box
from fracturax.core.image import Radiograph, Step
from fracturax.transforms.plan import PreprocessingPlan

PLAN = PreprocessingPlan(96, 64, frame="portrait")
CHANNEL = replace(PLAN, roi="channel")
CROP = replace(PLAN, steps=(Step("crop_to_bone"),))
BONE = Box(120, 170, 400, 220)


def _limb() -> Radiograph:
    """One bone in soft tissue in air, 500 x 400."""
    film = np.full((500, 400), 0.03, np.float32)
    film[60:440, 105:285] = 0.35
    film[120:400, 170:220] = 0.8
    return Radiograph(np.asarray(cv2.GaussianBlur(film, (0, 0), 2), np.float32))


def _lying() -> Radiograph:
    return Radiograph(np.ascontiguousarray(np.rot90(_limb().pixels, -1)))


def _input(plan: PreprocessingPlan, film: Radiograph) -> np.ndarray:
    prepared = plan.prepare(film)
    frame = plan.frame_of(prepared.pixels)
    return plan.stack(plan.apply(frame.turn(prepared.pixels))[0], prepared.bones, frame)


@pytest.mark.parametrize("film", [_limb(), _lying()], ids=["standing", "lying"])
def test_the_second_channel_shows_the_bone_where_the_first_one_has_it(film: Radiograph) -> None:
    grey, bones = _input(CHANNEL, film)
    _, place = PLAN.apply(_limb().pixels)
    rows, columns = np.nonzero(bones)
    found = Box(rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    # The film shrinks five times: a pixel of the input is five of the film.
    assert np.abs(np.subtract(found.as_tuple(), place.to_input(BONE).as_tuple())).max() <= 1
    assert set(np.unique(bones)) == {0, 1}
    assert grey[bones > 0].mean() > 0.8
    assert grey[bones == 0].mean() < 0.5


@pytest.mark.parametrize("film", [_limb(), _lying()], ids=["standing", "lying"])
def test_the_first_channel_and_the_place_of_boxes_are_those_of_the_film_alone(
    film: Radiograph,
) -> None:
    assert np.array_equal(_input(CHANNEL, film)[:1], _input(PLAN, film))
    assert CHANNEL.prepare(film).axis_map.is_identity


def test_bones_that_are_unsure_give_way_to_the_whole_film() -> None:
    noise = Radiograph(np.random.default_rng(0).random((300, 100), np.float32))
    found = CHANNEL.prepare(noise).bones
    assert found is not None
    assert (found.is_usable, found.reason) == (False, "the film is mostly noise")
    _, bones = _input(CHANNEL, noise)
    # The film is a third as wide as it is high: 32 of the 64 columns.
    assert bones[:, 16:48].all()
    assert bones.sum() == 96 * 32


@pytest.mark.parametrize("plan", [CROP, CHANNEL], ids=["crop", "channel"])
@pytest.mark.parametrize("film", [_limb(), _lying()], ids=["standing", "lying"])
def test_boxes_come_back_to_the_film(plan: PreprocessingPlan, film: Radiograph) -> None:
    prepared = plan.prepare(film)
    frame = plan.frame_of(prepared.pixels)
    turned = frame.turn(prepared.pixels)
    grey, place = plan.apply(turned)
    # Where the bright bone is seen in the input, told in pixels of the film.
    rows, columns = np.nonzero(cv2.resize(grey, None, fx=8, fy=8) > 0.75)
    seen = np.array([[rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]]) / 8
    boxes = prepared.axis_map.boxes_to_original(
        frame.turn_boxes_back(place.boxes_to_original(seen))
    )
    truth = BONE.as_tuple()
    if film.columns > film.rows:
        truth = (BONE.column_min, 500 - BONE.row_max, BONE.column_max, 500 - BONE.row_min)
    assert np.abs(boxes[0] - truth).max() < 1 / place.scale
    there = [[frame.columns * 0.1, 3.0, frame.columns * 0.2, 9.0]]
    back = place.boxes_to_original(np.array([place.to_input(Box(*there[0])).as_tuple()]))
    assert np.abs(back - there).max() < 1e-9


def test_a_cut_film_shows_the_bone_larger() -> None:
    prepared = CROP.prepare(_limb())
    assert prepared.pixels.size < 0.5 * 500 * 400
    assert CROP.apply(prepared.pixels)[1].scale > 1.2 * PLAN.apply(_limb().pixels)[1].scale


def test_a_plan_with_a_channel_travels_and_replays_bit_for_bit() -> None:
    document = json.loads(json.dumps(CHANNEL.as_document()))
    assert document["roi"] == "channel"
    again = build(PreprocessingPlan, document, where="bundle.json")
    assert again.sha256 == CHANNEL.sha256 != PLAN.sha256
    assert _input(again, _limb()).tobytes() == _input(CHANNEL, _limb()).tobytes()


def test_a_plan_without_a_region_keeps_its_document_and_copies_nothing() -> None:
    assert "roi" not in PLAN.as_document()
    film = _limb()
    prepared = PLAN.prepare(film)
    assert prepared.pixels is film.pixels
    assert prepared.bones is None
    grey, _ = PLAN.apply(film.pixels)
    stacked = PLAN.stack(grey, prepared.bones, PLAN.frame_of(film.pixels))
    assert (stacked.shape, PLAN.channels, CHANNEL.channels) == ((1, 96, 64), 1, 2)
    assert np.shares_memory(stacked, grey)


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(ConfigError, match="one of"):
        build(PreprocessingPlan, {"roi": "mask"}, where="recipe")
