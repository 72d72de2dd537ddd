"""CTs with a gap, a tilt or no spacing, constant and tiny films: told by every verb, never NaN."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dicom_builders import ct_slice, save
from fracturax.core.image import Radiograph
from fracturax.pipelines.preprocess import write_png

UID = "1.2.826.0.1.3680043.8.498.7"
SLICES = 9


def _series(folder: Path, kind: str) -> Path:
    """Write a synthetic CT of a rod, faulty in one way."""
    stored = np.full((24, 20), 1064, np.uint16)
    stored[8:16, 6:14] = 1900
    for number in range(SLICES):
        if kind == "gap" and number == 4:
            continue
        place: dict[str, Any] = {
            "StudyInstanceUID": UID, "SeriesInstanceUID": f"{UID}.1",
            "FrameOfReferenceUID": f"{UID}.2", "InstanceNumber": number + 1,
        }  # fmt: skip
        if kind == "tilt":
            place["ImagePositionPatient"] = [-10.0, -20.0 + 1.2 * number, 3.0 * number]
        if kind == "no spacing":
            place["PixelSpacing"] = [0.0, 0.8]
        save(ct_slice(stored, 3.0 * number, **place), folder / f"{number}.dcm")
    return folder


CASES = {
    "gap": "slices 4 and 5 are 6.0 mm apart",
    "tilt": "a gantry tilt of",
    "no spacing": "spacing",
}


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("verb", ["simulate", "segment", "register"])
def test_a_faulty_series_is_refused_with_its_reason(
    command: Callable[..., Any], tmp_path: Path, verb: str, kind: str
) -> None:
    ct = _series(tmp_path / "ct", kind)
    second = [_series(tmp_path / "other", kind)] if verb == "register" else []
    answer = command(verb, ct, *second, "--out", tmp_path / "out")
    assert answer.code == 3, answer.out
    assert CASES[kind] in answer.err
    assert "Traceback" not in answer.err
    assert not list(tmp_path.rglob("out/*.nii.gz"))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 40)])
def test_constant_and_tiny_films_go_through_every_step_without_nan(
    command: Callable[..., Any], tmp_path: Path, shape: tuple[int, int], value: float
) -> None:
    film = tmp_path / "film.png"
    write_png(Radiograph(np.full(shape, value, np.float32)), film)
    steps = ["crop_border", "crop_collimator", "mask_markers", "remove_background", "crop_to_bone",
             "gaussian", "median", "percentile", "z_score", "clahe", "equalize"]  # fmt: skip
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"steps": [{"name": name, "parameters": {}} for name in steps]}))
    answer = command("preprocess", film, tmp_path / "done", "--plan", plan)
    assert answer.code == 0, answer.err
    (told,) = (tmp_path / "done").rglob("*.json")
    assert "NaN" not in told.read_text()
    with Image.open(tmp_path / "done" / "film.png") as image:
        left = np.asarray(image)
    assert left.min() == left.max()
    answer = command("segment", film, "--out", tmp_path / "bone")
    assert answer.code == 3
    assert "no usable mask" in answer.err


def test_a_film_without_pixel_size_or_ct_has_no_pose(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    film = tmp_path / "film.png"
    write_png(Radiograph(np.random.default_rng(0).random((40, 40), np.float32)), film)
    ct = _series(tmp_path / "ct", "whole")
    answer = command("register", film, ct, "--pose", "AP", "-o", tmp_path / "out")
    assert (answer.code, "give --pixel-mm" in answer.err) == (3, True)
    answer = command("register", film, film, "--pose", "AP", "-o", tmp_path / "out")
    assert (answer.code, "for a film in a CT; got a film and a film" in answer.err) == (3, True)
    answer = command(
        *("register", film, ct, "--pose", "AP", "--pixel-mm", "1.0", "--json"),
        *("-o", tmp_path / "out"),
    )
    assert answer.code == 3
    assert "the pose was not found" in answer.err
    assert json.loads(answer.out)["is_usable"] is False
    assert (tmp_path / "out" / "overlay.png").is_file()
