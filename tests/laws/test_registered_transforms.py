"""What every transform of the registry obeys, on films and on volumes."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import fracturax
from fracturax.core.errors import ConfigError, FracturaXError, GeometryError, ImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Image, Origin, Radiograph, Step, Volume
from fracturax.transforms.catalog import TRANSFORMS
from fracturax.transforms.step_plan import StepPlan
from fracturax.transforms.transform import Transform

# Beside each one with its defaults, some that do more.
OTHERS = [
    ("gaussian", {"sigma_mm": 0.9}),
    ("median", {"size_px": 7}),
    ("wavelet", {"method": "VisuShrink", "wavelet": "db2", "levels": 2}),
    ("non_local_means", {"patch_px": 3, "reach_px": 2}),
    ("to_size", {"rows": 37, "columns": 90, "is_padded": False}),
    ("to_size", {"rows": 40, "columns": 30}),
    ("to_spacing", {"spacing_mm": 0.31}),
    ("to_spacing", {"spacing_mm": 1.7, "slice_spacing_mm": 2.0}),
    ("to_orientation", {"axes": "RIA"}),
    ("crop_to_bone", {"least_quality": 0.0, "method": "k_means"}),
]
STEPS = [Step(name) for name in TRANSFORMS] + [
    Step(name, tuple(parameters.items())) for name, parameters in OTHERS
]
UNIT_RANGE = ("equalize", "clahe", "gamma")


def build(step: Step) -> Transform:
    return StepPlan((step,)).transforms[0]


def limb(rows: int = 150, columns: int = 110, seed: int = 0) -> np.ndarray:
    """A limb in air within a shutter, with a marker: something for every transform to do."""
    generator = np.random.default_rng(seed)
    row, column = np.mgrid[:rows, :columns]
    film = np.full((rows, columns), 0.05)
    film[np.abs(column - 0.5 * columns) < 0.28 * columns] = 0.35
    film[np.abs(column - 0.5 * columns) < 0.10 * columns] = 0.75
    film[(row > 0.42 * rows) & (row < 0.45 * rows)] *= 0.8
    film += generator.normal(0, 0.015, film.shape)
    film[8:16, 4:10] = 0.98
    film[: rows // 25] = film[-(rows // 25) :] = 0.0
    return np.clip(film, 0, 1).astype(np.float32)


def film_of(pixels: np.ndarray) -> Radiograph:
    return Radiograph(pixels, "film", geometry=Geometry((0.4, 0.3)), history=(Step("full_range"),))


def volume_of(pixels: np.ndarray, unit: str = "HU") -> Volume:
    # Oblique, with unequal spacings, so that a wrong order of axes shows.
    turn = np.array([[0.1, 0.98, 0.15], [0.2, -0.17, 0.96], [0.97, -0.07, -0.21]])
    turn, _ = np.linalg.qr(turn)
    affine = np.eye(4)
    affine[:3, :3] = turn * [2.5, 0.4, 0.3]
    affine[:3, 3] = [-40, 12, 300]
    return Volume(
        pixels, "scan", geometry=Geometry.from_affine(affine), history=(Step("rescale"),), unit=unit
    )


def volume_for(step: Step, slices: int = 7) -> Volume:
    stack = np.stack([limb(90, 70, seed) for seed in range(slices)])
    if step.name in UNIT_RANGE:
        return volume_of(stack, "arbitrary")
    return volume_of((stack * 2000 - 1000).astype(np.float32))


def images_for(step: Step) -> list[Image]:
    takes = build(step).takes
    films = [film_of(limb()), film_of(limb(61, 240, 3))] if "film" in takes else []
    return [*films, *([volume_for(step)] if "volume" in takes else [])]


def hard_pixels() -> list[np.ndarray]:
    """Images with nothing in them to find: constant, one pixel, one line, a few pixels."""
    flat = [np.full(shape, value) for shape in ((1, 1), (40, 30)) for value in (0.0, 0.37, 1.0)]
    generator = np.random.default_rng(5)
    small = [generator.random(shape) for shape in ((1, 50), (50, 1), (2, 2), (3, 5), (17, 16))]
    two = np.zeros((40, 30))
    two[20, 10] = 1.0
    return [one.astype(np.float32) for one in (*flat, *small, two)]


each = pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.name}{len(step.parameters)}")


@each
def test_boxes_come_back_and_labels_keep_their_values(step: Step) -> None:
    for image in images_for(step):
        axis_map = build(step).apply(image).axis_map
        shape = np.array(image.pixels.shape, float)
        assert axis_map.shape == image.pixels.shape
        generator = np.random.default_rng(1)
        corners = np.sort(generator.random((50, 2, len(shape))), axis=1) * shape
        boxes = corners.reshape(50, -1)
        back = axis_map.boxes_to_original(axis_map.boxes_to_new(boxes))
        assert np.abs(back - boxes).max() < 1e-6
        labels = np.zeros(image.pixels.shape, np.int16)
        middle = tuple(slice(size // 4, 3 * size // 4) for size in labels.shape)
        labels[middle] = 7
        labels[..., labels.shape[-1] // 2 :] *= 3
        there = axis_map.mask_to_new(labels)
        again = axis_map.mask_to_original(there)
        assert set(np.unique(there)) <= set(np.unique(labels))
        assert set(np.unique(again)) <= set(np.unique(labels))
        assert again.dtype == labels.dtype
        # What was cut off comes back as 0; the rest where it was, but for the rims of labels.
        inside = axis_map.mask_to_original(np.ones(axis_map.new_shape, bool))
        coarse = max(1.0, 1 / min(map(abs, axis_map.scale)))
        assert (again == labels)[inside].mean() > 1 - 0.08 * coarse


@each
def test_the_image_has_the_shape_and_place_the_map_says(step: Step) -> None:
    for image in images_for(step):
        done = build(step).apply(image)
        assert done.image.pixels.shape == done.axis_map.new_shape
        assert type(done.image) is type(image)
        if image.geometry.affine is None:
            continue
        # A voxel lies at the same place of the patient, by either index.
        points = np.random.default_rng(2).random((20, 3)) * image.pixels.shape
        moved = done.axis_map.points_to_new(points)
        pairs = ((points, image.geometry.affine), (moved, done.image.geometry.affine))
        places = [
            np.c_[corner - 0.5, np.ones(20)] @ np.asarray(affine).T for corner, affine in pairs
        ]
        assert np.abs(places[0] - places[1]).max() < 1e-6


@each
def test_a_box_goes_where_its_pixels_go(step: Step) -> None:
    for image in images_for(step):
        axis_map = build(step).apply(image).axis_map
        if axis_map.is_identity:
            continue
        scale, offset = np.array(axis_map.scale), np.array(axis_map.offset)
        turned = image.pixels.astype(np.float32).transpose(axis_map.axes)
        # A ramp along each axis, sent through the same way, says where each new pixel was.
        for axis in range(turned.ndim):
            ramp = np.arange(turned.shape[axis], dtype=np.float32) + 0.5
            ramp = np.broadcast_to(
                ramp.reshape([-1 if one == axis else 1 for one in range(turned.ndim)]), turned.shape
            ).transpose(np.argsort(axis_map.axes))
            seen = _through(step, image, ramp)
            places = (np.arange(axis_map.new_shape[axis]) + 0.5 - offset[axis]) / scale[axis]
            middle = np.moveaxis(seen, axis, 0)
            while middle.ndim > 1:
                middle = middle[:, middle.shape[1] // 2]
            reach = max(1.0, 1 / abs(scale[axis])) + 0.5
            is_inside = (places > reach) & (places < turned.shape[axis] - reach)
            assert is_inside.any()
            assert np.abs(middle - places)[is_inside].max() < 0.5


def _through(step: Step, image: Image, ramp: np.ndarray) -> np.ndarray:
    """Send other values the way an image goes: cut, turned and scaled alike."""
    axis_map = build(step).apply(image).axis_map
    if step.name.startswith("crop_"):
        start = [round(-offset) for offset in axis_map.offset]
        places = zip(start, axis_map.new_shape, strict=True)
        return ramp[tuple(slice(first, first + size) for first, size in places)]
    if isinstance(image, Volume):
        like = volume_of(np.ascontiguousarray(ramp))
    else:
        # A film holds values up to 1: the ramp is made smaller and larger again.
        like = film_of(np.ascontiguousarray(ramp / 1000).astype(np.float32))
    pixels = build(step).apply(like).image.pixels
    return pixels if isinstance(image, Volume) else pixels * 1000


@each
def test_the_history_replays_exactly(step: Step) -> None:
    for image in images_for(step):
        done = build(step).apply(image)
        assert done.image.history[:-1] == image.history
        plan = StepPlan.of_history(done.image.history)
        assert [one.name for one in plan.steps] == [step.name]
        again = plan.apply(image)
        assert again.image.pixels.tobytes() == done.image.pixels.tobytes()
        assert again.axis_map == done.axis_map
        travelled = StepPlan.from_document(json.loads(json.dumps(plan.as_document())))
        assert travelled.sha256 == plan.sha256
        assert travelled.apply(image).image.pixels.tobytes() == done.image.pixels.tobytes()


@each
def test_an_image_on_another_grid_is_no_plane_of_its_dicom_objects(step: Step) -> None:
    for image in images_for(step):
        given = replace(image, origin=Origin((b"header",), ((0, 1),)))
        done = build(step).apply(given)
        assert (done.image.origin is given.origin) == done.axis_map.is_identity


@each
def test_the_image_given_is_not_changed(step: Step) -> None:
    for image in images_for(step):
        before = image.pixels.tobytes()
        done = build(step).apply(image)
        assert image.pixels.tobytes() == before
        assert not done.image.pixels.flags.writeable


@each
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_there_is_never_a_value_that_is_no_number(step: Step) -> None:
    takes = build(step).takes
    for pixels in hard_pixels():
        images: list[Image] = [film_of(pixels)] if "film" in takes else []
        if "volume" in takes:
            unit = "arbitrary" if step.name in UNIT_RANGE else "HU"
            values = pixels if unit == "arbitrary" else pixels * 2000 - 1000
            images += [volume_of(np.stack([values] * count), unit) for count in (1, 3)]
        for image in images:
            made = build(step).apply(image).image
            assert np.isfinite(made.pixels).all()
            assert made.pixels.size > 0
            if isinstance(made, Radiograph) or made.unit == "arbitrary":
                assert 0 <= made.pixels.min() <= made.pixels.max() <= 1


@each
def test_a_pixel_that_is_no_number_is_refused(step: Step) -> None:
    for image in images_for(step):
        pixels = image.pixels.copy()
        for value in (np.nan, np.inf):
            pixels.flags.writeable = True
            pixels[(0,) * pixels.ndim] = value
            broken = film_of(pixels) if isinstance(image, Radiograph) else volume_of(pixels)
            with pytest.raises(ImageError, match="no numbers"):
                build(step).apply(broken)


@pytest.mark.parametrize("spacing", [0.0, float("nan"), -1.0])
def test_a_spacing_that_is_none_never_reaches_a_transform(spacing: float) -> None:
    with pytest.raises(GeometryError):
        Geometry((spacing, 1.0))
    with pytest.raises(ConfigError):
        build(Step("to_spacing", (("spacing_mm", spacing),)))


@pytest.mark.parametrize(
    "step",
    [step for step in STEPS if build(step).takes == ("film", "volume")],
    ids=lambda step: f"{step.name}{len(step.parameters)}",
)
def test_a_film_and_a_volume_of_one_slice_agree(step: Step) -> None:
    pixels = limb()
    film = film_of(pixels)
    scan = Volume(pixels[None], geometry=Geometry((1.0, 0.4, 0.3)), unit="arbitrary")
    flat, deep = build(step).apply(film), build(step).apply(scan)
    assert deep.image.pixels.shape[1:] == flat.image.pixels.shape
    assert np.abs(deep.image.pixels[0] - flat.image.pixels).max() < 2e-6


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_a_transform_says_what_it_does_and_refuses_what_it_does_not_know(name: str) -> None:
    entry, kind = TRANSFORMS[name], TRANSFORMS.load(name)
    assert kind.name == name
    assert entry.task
    assert entry.libraries
    with pytest.raises(ConfigError, match="unknown key"):
        StepPlan((Step(name, (("strenght", 1),)),))
    for takes, image in (("film", film_of(limb())), ("volume", volume_for(Step(name), 2))):
        if takes not in kind.takes:
            with pytest.raises(FracturaXError, match=takes):
                kind().apply(image)


def test_no_transform_has_the_name_of_a_step_of_reading() -> None:
    source = Path(fracturax.__file__).parent / "imaging"
    text = "\n".join(path.read_text(encoding="utf-8") for path in source.glob("*.py"))
    of_reading = {*re.findall(r'Step\("(\w+)"', text), "full_range", "value_range"}
    assert len(of_reading) > 8
    assert not of_reading & set(TRANSFORMS)
