"""Plans as data: files, names, hashes, and what is wrong with a wrong one."""

import json
from pathlib import Path

import numpy as np
import pytest

from fracturax.core.config import build
from fracturax.core.errors import ConfigError, UnknownNameError
from fracturax.core.geometry import Box, Geometry
from fracturax.core.image import Radiograph, Step, Volume
from fracturax.transforms.contrast import Clahe
from fracturax.transforms.crop import CropBorder
from fracturax.transforms.plan import PreprocessingPlan
from fracturax.transforms.resample import ToSize
from fracturax.transforms.step_plan import StepPlan, load_plan, plan_names


def _film() -> Radiograph:
    film = np.zeros((300, 240), np.float32)
    film[30:280, 20:230] = np.random.default_rng(0).random((250, 210), np.float32)
    return Radiograph(film, geometry=Geometry((0.2, 0.2)))


PLAN = StepPlan.of((CropBorder(), Clahe(), ToSize(64, 64)))


def test_the_plan_of_transforms_is_their_steps_one_after_the_other() -> None:
    film, maps = _film(), []
    image = film
    for transform in (CropBorder(), Clahe(), ToSize(64, 64)):
        done = transform.apply(image)
        image, maps = done.image, [*maps, done.axis_map]
    whole = PLAN.apply(film)
    assert whole.image.pixels.tobytes() == image.pixels.tobytes()
    box = Box(50, 60, 120, 90)
    one_by_one = box
    for one in maps:
        one_by_one = one.to_new(one_by_one)
    assert whole.axis_map.to_new(box).as_tuple() == pytest.approx(one_by_one.as_tuple())
    assert whole.axis_map.to_original(one_by_one).as_tuple() == pytest.approx(box.as_tuple())
    assert whole.image.geometry.spacing_mm == pytest.approx((0.2 * 250 / 64, 0.2 * 210 / 54))


def test_a_default_that_is_stated_changes_no_hash_and_any_other_value_does() -> None:
    bare = StepPlan((Step("clahe"),))
    stated = StepPlan((Step("clahe", (("clip_limit", 2.0), ("tiles", 8))),))
    other = StepPlan((Step("clahe", (("clip_limit", 2.5),)),))
    assert bare.sha256 == stated.sha256 != other.sha256
    assert bare.sha256 != StepPlan((Step("clahe"), Step("clahe"))).sha256


def test_every_plan_that_comes_with_it_can_be_read_and_runs() -> None:
    assert set(plan_names()) >= {"film", "contrast", "denoise", "bone", "ct-bone"}
    affine = np.diag([2.0, 1.0, 1.0, 1.0])
    scan = Volume(np.zeros((4, 30, 30), np.float32), geometry=Geometry.from_affine(affine))
    for name in plan_names():
        done = load_plan(name).apply(scan if name.startswith("ct") else _film())
        assert 0 <= done.image.pixels.min() <= done.image.pixels.max() <= 1


def test_a_plan_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(PLAN.as_document()))
    assert load_plan(path).sha256 == PLAN.sha256


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no readable plan"),
        ("[]", "must be a table"),
        ('{"step": []}', "did you mean 'steps'"),
        (
            '{"steps": [{"name": "clahe", "parameters": {"clip_limt": 2}}]}',
            "did you mean 'clip_limit'",
        ),
        ('{"steps": [{"name": "clahe", "parameters": {"tiles": "8"}}]}', "type int"),
        ('{"steps": [{"name": "clahe", "parameters": {"tiles": 0}}]}', "tiles lie in"),
        ('{"steps": [{"name": "clahe", "parameters": {"clip_limit": NaN}}]}', "clip_limit lies"),
        ('{"steps": [{"name": "clahe", "parameters": {"tiles": null}}]}', "type str"),
        ('{"steps": [{"parameters": {}}]}', "lacks a key"),
        ('{"steps": 5}', "must be a list"),
    ],
)
def test_a_wrong_plan_says_what_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_plan(path)


def test_an_unknown_name_offers_its_neighbour(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'clahe'"):
        StepPlan((Step("clache"),))
    with pytest.raises(UnknownNameError, match="did you mean 'film'"):
        load_plan("films")
    with pytest.raises(UnknownNameError):
        load_plan(tmp_path / "nowhere.json")


def test_a_preprocessing_plan_without_steps_keeps_its_hash() -> None:
    # The hash that plans of this size had before there were steps.
    old = PreprocessingPlan(96, 64)
    assert "steps" not in old.as_document()
    assert old.sha256 == "a22c73c95fd132c5849b6ea35df14deb9eb686e520c5a86fd930969c4ddebe3f"


def test_steps_in_front_of_a_preprocessing_plan_travel_and_change_its_hash() -> None:
    plan = PreprocessingPlan(96, 64, steps=PLAN.steps)
    document = json.loads(json.dumps(plan.as_document()))
    again = build(PreprocessingPlan, document, where="bundle.json")
    assert again.sha256 == plan.sha256 != PreprocessingPlan(96, 64).sha256
    film = _film()
    one, other = plan.prepare(film), again.prepare(film)
    assert one.pixels.tobytes() == other.pixels.tobytes()
    assert one.axis_map == other.axis_map
    assert PreprocessingPlan(96, 64).prepare(film).pixels is film.pixels


def test_a_preprocessing_plan_with_a_wrong_step_is_refused() -> None:
    with pytest.raises(UnknownNameError):
        PreprocessingPlan(steps=(Step("clache"),))
