"""`fracturax register` and `fracturax segment` as a user meets them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from drawn_anatomy import draw_limb
from fracturax.core.image import Radiograph, Volume
from fracturax.example import example_study_folder
from fracturax.pipelines.preprocess import write_nifti, write_png

LIMB = cv2.resize(draw_limb(2), (96, 120), interpolation=cv2.INTER_AREA)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A film, the same shifted by three rows, and a blank one."""
    pixels = (LIMB / 255).astype(np.float32)
    blank = np.full((80, 80), 0.5, np.float32)
    for name, values in (("a", pixels), ("b", np.roll(pixels, 3, axis=0)), ("blank", blank)):
        write_png(Radiograph(values), tmp_path / f"{name}.png")
    return tmp_path


def test_one_film_is_brought_onto_another(command: Callable[..., Any], films: Path) -> None:
    answer = command(
        *("register", films / "a.png", films / "b.png", "--out", films / "out"),
        *("--freedom", "rigid", "--json"),
    )
    assert answer.code == 0, answer.err
    document = json.loads(answer.out)
    assert document["is_usable"]
    assert document["matrix"][0][2] == pytest.approx(3, abs=0.5)
    assert (films / "out" / "moved.png").is_file()


def test_a_failed_registration_is_told_and_ends_with_an_error(
    command: Callable[..., Any], films: Path
) -> None:
    answer = command(
        "register", films / "a.png", films / "blank.png", "-o", films / "out", "--json"
    )
    assert answer.code == 3
    assert "the registration failed; got the fixed image is blank" in answer.err
    assert "Traceback" not in answer.err
    assert json.loads(answer.out)["is_usable"] is False
    assert not (films / "out" / "moved.png").exists()
    assert (films / "out" / "overlay.png").is_file()


def test_wrong_words_are_errors_with_a_cure(command: Callable[..., Any], films: Path) -> None:
    answer = command("register", films / "a.png", films / "b.png", "--freedom", "bent")
    assert (answer.code, "--freedom rigid" in answer.err) == (8, True)
    answer = command("register", films / "a.png", films / "b.png", "--slice-a", "2")
    assert (answer.code, "no slices" in answer.err) == (3, True)
    answer = command("segment", films / "a.png", "--method", "magic")
    assert (answer.code, "multi_otsu" in answer.err) == (8, True)


def test_bones_of_a_film_and_of_a_ct_are_written_and_told(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    answer = command(
        "segment", example_study_folder() / "leg", "--out", tmp_path / "film", "--json"
    )
    assert answer.code == 0, answer.err
    (image,) = json.loads(answer.out)["images"]
    assert image["area_mm2"] > 0
    assert all(Path(file).is_file() for file in image["files"])
    hu = np.full((12, 40, 40), 40, np.float32)
    hu[3:9, 12:28, 12:28] = 700
    write_nifti(Volume(hu), tmp_path / "ct.nii.gz")
    answer = command("segment", tmp_path / "ct.nii.gz", "--out", tmp_path / "ct")
    assert answer.code == 0, answer.err
    assert (tmp_path / "ct" / "ct.labels.nii.gz").is_file()


def test_where_no_mask_is_usable_the_command_fails_and_says_why(
    command: Callable[..., Any], films: Path
) -> None:
    answer = command("segment", films / "blank.png", "--out", films / "out")
    assert answer.code == 3
    assert "no usable mask" in answer.err
    assert "blank" in answer.err
