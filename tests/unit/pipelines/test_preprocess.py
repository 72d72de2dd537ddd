"""What preprocessing writes can be read again, and leads back to the original's pixels."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph, Step, Volume
from fracturax.example import example_study_folder
from fracturax.imaging import find_studies, read_image
from fracturax.pipelines.preprocess import (
    preprocess,
    preprocess_to_folder,
    stages,
    write_nifti,
    write_png,
)
from fracturax.transforms.axis_map import AxisMap
from fracturax.transforms.step_plan import StepPlan, load_plan

PLAN = StepPlan((Step("crop_border"), Step("percentile")))


def test_a_written_film_is_read_back_to_16_bit(tmp_path: Path) -> None:
    film = Radiograph(np.random.default_rng(0).random((40, 30), np.float32))
    write_png(film, tmp_path / "film.png")
    again = read_image(tmp_path / "film.png")[0]
    assert np.abs(again.pixels - film.pixels).max() <= 0.51 / 65535
    with PillowImage.open(tmp_path / "film.png") as picture:
        assert picture.mode.startswith("I;16")


@pytest.mark.parametrize("has_place", [True, False])
def test_a_written_volume_is_read_back_where_it_lay(tmp_path: Path, has_place: bool) -> None:
    affine = np.array([[0, 0.1, 0.6, -50], [0.1, 0.7, 0, 10], [3.0, 0, 0, 90], [0, 0, 0, 1]])
    geometry = Geometry.from_affine(affine) if has_place else Geometry((3.0, 0.7, 0.6), "patient")
    pixels = (np.random.default_rng(0).random((4, 9, 7)) * 3000 - 1000).astype(np.float32)
    write_nifti(Volume(pixels, geometry=geometry), tmp_path / "scan.nii.gz")
    again = read_image(tmp_path / "scan.nii.gz")[0]
    assert np.array_equal(again.pixels, pixels)
    assert again.geometry.spacing_mm == pytest.approx(geometry.spacing_mm, abs=1e-5)
    if has_place:
        assert np.allclose(np.asarray(again.geometry.affine), affine, atol=1e-4)
    else:
        assert again.geometry.affine is None


def test_the_files_of_a_study_say_what_was_done_and_lead_back(tmp_path: Path) -> None:
    studies = find_studies(example_study_folder() / "leg")
    done = list(preprocess_to_folder(studies, load_plan("film"), out=tmp_path))
    assert [sorted(path.name for path in one.files) for one in done] == [
        ["leg_ap.json", "leg_ap.png", "leg_ap.sheet.html", "leg_ap.sheet.png"]
    ]
    facts = json.loads((tmp_path / "leg_ap.json").read_text())
    original = read_image(example_study_folder() / "leg" / "leg_ap.dcm")[0]
    made = read_image(tmp_path / "leg_ap.png")[0]
    assert facts["is_synthetic"]
    assert facts["original_shape"] == list(original.pixels.shape)
    assert facts["shape"] == list(made.pixels.shape)
    assert [step["name"] for step in facts["history"]][-4:] == [
        "mask_markers", "crop_border", "crop_collimator", "percentile",
    ]  # fmt: skip
    replayed = StepPlan.from_document(facts["plan"])
    assert replayed.sha256 == facts["plan_sha256"]
    again = preprocess(original, replayed).image.pixels
    assert np.abs(made.pixels - again).max() <= 0.51 / 65535
    # A pixel of the result shows what lies at its place of the original.
    numbers = ("shape", "new_shape", "axes", "scale", "offset")
    axis_map = AxisMap(*(tuple(facts["axis_map"][name]) for name in numbers))
    row, column = (size // 2 for size in made.pixels.shape)
    place = axis_map.points_to_original([[row + 0.5, column + 0.5]])[0]
    there = original.pixels[int(place[0]), int(place[1])]
    assert abs(again[row, column] - there) < 0.1


def test_what_a_plan_does_not_take_is_said_and_the_others_are_written(tmp_path: Path) -> None:
    write_png(Radiograph(np.eye(30, dtype=np.float32)), tmp_path / "a.png")
    write_nifti(Volume(np.zeros((3, 9, 9), np.float32)), tmp_path / "b.nii.gz")
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    done = list(preprocess_to_folder(find_studies(tmp_path), PLAN, out=tmp_path / "out"))
    reasons = {one.name: one.reason for one in done}
    assert reasons["a.png"] == ""
    assert "does not take a volume" in reasons["b.nii.gz"]
    assert reasons["c.png"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"a.png", "a.json", "a.sheet.png", "a.sheet.html"}


def test_images_of_one_name_are_written_beside_each_other(tmp_path: Path) -> None:
    for folder, suffix in (("x", "png"), ("y", "png"), ("z", "PNG")):
        (tmp_path / folder).mkdir()
        pixels = np.random.default_rng(len(folder)).random((9, 9), np.float32)
        write_png(Radiograph(pixels), tmp_path / folder / f"film.{suffix}")
    done = list(
        preprocess_to_folder(find_studies(tmp_path), PLAN, out=tmp_path / "out", with_sheet=False)
    )
    written = [path for one in done for path in one.files]
    assert len(done) == 3
    assert len(written) == len({str(path).lower() for path in written}) == 6
    assert all(path.parent == tmp_path / "out" for path in written)


def test_the_stages_are_the_plan_step_by_step() -> None:
    film = Radiograph(np.random.default_rng(0).random((40, 30), np.float32))
    way = stages(film, PLAN)
    assert [stage.title for stage in way] == [
        "as read", "crop_border: tolerance 0.01", "percentile: low 0.5, high 99.5",
    ]  # fmt: skip
    whole = preprocess(film, PLAN)
    assert way[-1].image.pixels.tobytes() == whole.image.pixels.tobytes()
