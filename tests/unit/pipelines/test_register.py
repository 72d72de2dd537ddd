"""What a registration writes leads from one image's pixels to the other's."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from drawn_anatomy import draw_limb
from fracturax.core.errors import ConfigError, ImageError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph
from fracturax.imaging import read_image
from fracturax.pipelines.preprocess import write_png
from fracturax.pipelines.register import move_image, open_one, register_to_folder
from fracturax.transforms.registration import Registration

SMALL = cv2.resize(draw_limb(5), (96, 120), interpolation=cv2.INTER_AREA)
LIMB = Radiograph((SMALL / 255).astype(np.float32), name="a.png")


def test_the_files_say_what_was_found_and_the_moved_film_lies_on_the_fixed_one(
    tmp_path: Path,
) -> None:
    shift = ((1.0, 0.0, 6.0), (0.0, 1.0, -4.0), (0.0, 0.0, 1.0))
    known = Registration(shift, LIMB.pixels.shape, LIMB.pixels.shape)
    fixed = Radiograph(known.move(LIMB.pixels), name="b.png", geometry=Geometry((0.2, 0.2)))
    done = register_to_folder(LIMB, fixed, out=tmp_path / "out", freedom="rigid")
    names = {file.name for file in done.files}
    assert names == {"registration.json", "overlay.png", "moved.png"}
    facts = json.loads((tmp_path / "out" / "registration.json").read_text())
    assert np.allclose(facts["matrix"], shift, atol=0.1)
    assert np.allclose(np.array(facts["matrix"]) @ facts["inverse"], np.eye(3))
    assert facts["is_usable"]
    assert facts["quality"] > 0.9
    moved = read_image(tmp_path / "out" / "moved.png")[0].pixels
    assert np.abs(moved - fixed.pixels)[8:-8, 8:-8].mean() < 0.01
    image = move_image(LIMB, fixed, done.registration)
    assert image.history[-1].name == "register"
    assert image.geometry.spacing_mm == (0.2, 0.2)


def test_a_failed_registration_writes_its_picture_and_no_moved_image(tmp_path: Path) -> None:
    blank = Radiograph(np.full((90, 80), 0.3, np.float32), name="blank.png")
    (tmp_path / "moved.png").write_bytes(b"of an earlier run")
    done = register_to_folder(blank, LIMB, out=tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"registration.json", "overlay.png"}
    assert done.facts["is_usable"] is False
    assert done.facts["reason"] == "the moving image is blank"
    with pytest.raises(ImageError, match="the registration failed"):
        move_image(blank, LIMB, done.registration)


def test_a_path_leads_to_one_image_and_the_folder_can_be_made(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_png(LIMB, tmp_path / name)
    assert open_one(tmp_path / "a.png").pixels.shape == LIMB.pixels.shape
    with pytest.raises(ImageError, match="got 2 images"):
        open_one(tmp_path)
    (tmp_path / "file").write_text("in the way")
    blank = Radiograph(np.zeros((20, 20), np.float32))
    with pytest.raises(ConfigError, match="cannot be made"):
        register_to_folder(blank, blank, out=tmp_path / "file")
