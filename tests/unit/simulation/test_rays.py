"""Rays against solids whose projections are known, labels in the right pixels, bad input."""

from dataclasses import replace

import numpy as np
import pytest

from fracturax.core.errors import DataError, GeometryError, ImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Volume
from fracturax.simulation.attenuation import CT_KEV, mass_attenuation, solid_bone_hu
from fracturax.simulation.cone_beam import ConeBeam, Pose
from fracturax.simulation.scene import Scene
from fracturax.simulation.solids import Cuboid, Sphere, voxelize

SHAPE = (50, 60, 70)
FINE = (80, 90, 100)
BEAM = ConeBeam(1000, 800, rows=48, columns=56, pixel_mm=(1.8, 1.8))
POSES = (Pose(), Pose((20, 30, 40), (3, -4, 5)), Pose((0, 0, 90)), Pose((90, 0, 10)))
BALL = Sphere((4.0, -3.0, 5.0), 16.0)
BLOCK = Cuboid((-5.0, 4.0, 0.0), (25.0, 20.0, 30.0))


def _pixels(beam: ConeBeam) -> np.ndarray:
    grid = np.meshgrid(np.arange(beam.rows), np.arange(beam.columns), indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, 2)


def _chords(solid: Sphere | Cuboid, beam: ConeBeam) -> np.ndarray:
    ends = beam.detector_points(_pixels(beam))
    return solid.chord_mm(beam.source_mm, ends).reshape(beam.rows, beam.columns)


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("solid", [BALL, BLOCK], ids=["sphere", "box"])
def test_water_is_as_thick_as_the_chord(solid: Sphere | Cuboid, pose: Pose) -> None:
    beam = replace(BEAM, pose=pose)
    known = _chords(solid, beam)
    found = Scene(voxelize([solid], shape=FINE, spacing_mm=0.5)).cast(beam).water_mm
    # Past the rim, where a pixel is wider than what it is to see.
    inner = known > known.max() / 2
    assert np.abs(found - known)[inner].mean() < 0.005 * known[inner].mean()


@pytest.mark.parametrize("pose", POSES[:2])
def test_solid_bone_weakens_as_the_table_says(pose: Pose) -> None:
    beam = replace(BEAM, pose=pose)
    ball = replace(BALL, hu=solid_bone_hu())
    known = _chords(ball, beam) / 10 * 1.92 * float(mass_attenuation("bone", CT_KEV))
    ct = voxelize([ball], shape=FINE, spacing_mm=0.5)
    found = Scene(ct).cast(beam).attenuation(CT_KEV)
    assert np.abs(found - known).sum() < 0.01 * known.sum()


def test_voxels_of_three_sizes_and_a_turned_grid_give_the_same_film() -> None:
    cube = voxelize([BLOCK], shape=(40, 50, 60))
    # The same box, stored upside down and with thicker slices.
    thick = cube.pixels.reshape(20, 2, 50, 60).mean(axis=1)[::-1, :, ::-1]
    affine = np.array(cube.geometry.affine)
    affine[:3, 3] += affine[:3, 0] * 38.5 + affine[:3, 2] * 59
    affine[:3, 0] *= -2
    affine[:3, 2] *= -1
    other = Volume(np.asarray(thick, np.float32), geometry=Geometry.from_affine(affine))
    beam = replace(BEAM, pose=Pose((5, 0, 10)))
    films = [Scene(volume).cast(beam).water_mm for volume in (cube, other)]
    assert np.abs(films[0] - films[1]).mean() < 0.01 * films[0].max()


def test_a_point_is_seen_where_its_ray_passes() -> None:
    beam = replace(BEAM, pose=Pose((10, -20, 30), (5, 6, 7)), center_mm=(1, 2, 3))
    points = np.random.default_rng(0).uniform(-40, 40, (20, 3))
    ends = beam.detector_points(beam.project(points))
    ways = [one - beam.source_mm for one in (points, ends)]
    assert np.allclose(np.cross(ways[0], ways[1]), 0, atol=1e-6)


def test_labels_lie_in_the_pixels_of_their_film() -> None:
    solids = [BALL, Sphere((-20.0, 5.0, -12.0), 6.0)]
    ct = voxelize(solids, shape=SHAPE)
    marks = np.zeros(SHAPE, np.int16)
    for label, solid in ((7, solids[0]), (40, solids[1])):
        marks[voxelize([solid], shape=SHAPE).pixels > -500] = label
    labels = replace(ct, pixels=marks, unit="arbitrary")
    beam = replace(BEAM, pose=Pose((0, 10, 25)))
    projection = Scene(ct, labels).cast(beam)
    assert projection.labels == (7, 40)
    for label, solid in zip(projection.labels, solids, strict=True):
        known = _chords(solid, beam)
        path = projection.paths_mm[..., projection.labels.index(label)]
        assert path.sum() == pytest.approx(known.sum(), rel=0.02)
        box = projection.box(label)
        assert box is not None
        middle = beam.project(np.array([solid.center_mm]))[0]
        assert box.row_min < middle[0] < box.row_max
        assert (box.row_min + box.row_max - 1) / 2 == pytest.approx(middle[0], abs=1)
        assert (box.column_min + box.column_max - 1) / 2 == pytest.approx(middle[1], abs=1)


def test_a_label_outside_the_film_has_no_box() -> None:
    ct = voxelize([BALL], shape=SHAPE)
    marks = np.zeros(SHAPE, np.int16)
    marks[0, 0, 0] = 1
    small = BEAM.sized(8, 8)
    beam = replace(small, pixel_mm=(1.0, 1.0))
    projection = Scene(ct, replace(ct, pixels=marks, unit="arbitrary")).cast(beam)
    assert projection.box(1) is None
    with pytest.raises(DataError, match="not projected"):
        projection.mask(2)


def test_a_ray_that_meets_nothing_brings_zero_and_no_nan() -> None:
    ct = voxelize([BALL], shape=SHAPE)
    projection = Scene(ct).cast(replace(BEAM, pose=Pose(translation_mm=(300, 0, 0))))
    assert not projection.water_mm.any()
    assert not projection.bone_mm.any()


def test_a_slice_alone_can_be_projected() -> None:
    ct = voxelize([BALL], shape=(1, 60, 70))
    water = Scene(ct).cast(BEAM.sized(47, 55)).water_mm
    assert np.isfinite(water).all()
    assert water.max() > 0


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"unit": "arbitrary"}, ImageError, "only a CT"),
        ({"geometry": Geometry((1.0, 1.0, 1.0), "patient")}, GeometryError, "how it lies"),
        ({"pixels": np.full(SHAPE, 40, np.int16)}, ImageError, "same everywhere"),
        ({"pixels": np.full(SHAPE, np.nan, np.float32)}, ImageError, "no numbers"),
    ],
)
def test_a_ct_that_cannot_be_used_is_refused(
    change: dict[str, object], error: type[Exception], words: str
) -> None:
    ct = voxelize([BALL], shape=SHAPE)
    with pytest.raises(error, match=words):
        Scene(replace(ct, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("marks", "error", "words"),
    [
        (np.zeros(SHAPE, np.int16), DataError, "1 to 255 labels"),
        (np.ones((3, 3, 3), np.int16), GeometryError, "do not fit"),
        (np.full(SHAPE, 0.5, np.float32), DataError, "whole numbers"),
        (np.full(SHAPE, -1, np.int16), DataError, "whole numbers"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(
    marks: np.ndarray, error: type[Exception], words: str
) -> None:
    ct = voxelize([BALL], shape=SHAPE)
    with pytest.raises(error, match=words):
        Scene(ct, replace(ct, pixels=marks, unit="arbitrary"))


def test_labels_of_another_place_are_refused() -> None:
    ct = voxelize([BALL], shape=SHAPE)
    marks = voxelize([BALL], shape=SHAPE, spacing_mm=1.1)
    with pytest.raises(GeometryError, match="elsewhere"):
        Scene(ct, replace(ct, geometry=marks.geometry))


def test_a_source_inside_the_ct_is_refused() -> None:
    ct = voxelize([BALL], shape=SHAPE)
    with pytest.raises(GeometryError, match="source lies inside"):
        Scene(ct).cast(replace(BEAM, source_object_mm=20))


@pytest.mark.parametrize("spacing", [0.0, float("nan"), -1.0])
def test_no_spacing_is_refused(spacing: float) -> None:
    with pytest.raises(GeometryError, match="spacing"):
        voxelize([BALL], shape=SHAPE, spacing_mm=spacing)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source_detector_mm": float("nan")}, "positive millimetres"),
        ({"pixel_mm": (0.0, 1.0)}, "positive millimetres"),
        ({"source_object_mm": 2000.0}, "behind the detector"),
        ({"rows": 0}, "pixels"),
        ({"pixel_mm": (100.0, 1.0)}, "larger than its distance"),
        ({"center_mm": (0.0, float("inf"), 0.0)}, "no point"),
    ],
)
def test_an_impossible_cone_beam_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(GeometryError, match=words):
        replace(BEAM, **change)  # type: ignore[arg-type]


def test_an_impossible_pose_or_point_is_refused() -> None:
    with pytest.raises(GeometryError, match="three turns"):
        Pose((0, 0, float("nan")))
    with pytest.raises(GeometryError, match="behind the source"):
        BEAM.project(np.array([[0, -900, 0]]))


@pytest.mark.parametrize("solid", [BALL, BLOCK], ids=["sphere", "box"])
def test_what_a_rim_is_off_by_halves_with_the_voxels(solid: Sphere | Cuboid) -> None:
    # A voxel that a surface cuts holds the mean of both sides: an edge is as sharp as a voxel.
    beam = replace(BEAM, pose=Pose((20, 30, 40)))
    known = _chords(solid, beam)
    worst = []
    for spacing_mm, shape in ((1.0, (44, 48, 52)), (0.5, (88, 96, 104))):
        ct = voxelize([solid], shape=shape, spacing_mm=spacing_mm)
        off = np.abs(Scene(ct).cast(beam).water_mm - known)
        worst.append(float(np.quantile(off, 0.99)) / float(known.max()))
    assert worst[1] < 0.6 * worst[0]
    assert worst[1] < 0.03
