"""Films of a CT on disk: what is written, what it says, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from fracturax.core.errors import ConfigError, DataError, ImageError, UnknownNameError
from fracturax.imaging import read_image
from fracturax.pipelines.preprocess import write_nifti
from fracturax.pipelines.simulate import open_ct, pose_of
from fracturax.simulation.bone_phantom import Cleft, ShaftPhantom


@pytest.fixture
def broken_bone(tmp_path: Path) -> tuple[Path, Path]:
    """Return CT and labels of a broken shaft as NIfTI files."""
    ct, labels = ShaftPhantom(cleft=Cleft(width_mm=3)).build(shape=(64, 48, 48))
    paths = tmp_path / "shaft.nii.gz", tmp_path / "labels.nii.gz"
    for volume, path in zip((ct, labels), paths, strict=True):
        write_nifti(volume, path)
    return paths


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fracturax", "simulate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_films_masks_and_geometry_are_written(
    broken_bone: tuple[Path, Path], tmp_path: Path
) -> None:
    ct, labels = broken_bone
    out = tmp_path / "films"
    done = _run(
        *(ct, "--labels", labels, "--pose", "AP", "--pose", "0,0,30,5,0,0", "--out", out),
        *("--rows", 80, "--columns", 64, "--pixel-mm", 1.0, "--json"),
    )
    assert done.returncode == 0, done.stderr
    films = json.loads(done.stdout)["films"]
    assert len(films) == 2
    picture = np.asarray(PillowImage.open(out / "shaft-1.png"))
    assert picture.shape == (80, 64)
    assert picture.max() > 30000
    facts = json.loads((out / "shaft-2.json").read_text(encoding="utf-8"))
    assert facts["is_synthetic"] is True
    assert facts["cone_beam"]["pose"]["rotation_deg"] == [0, 0, 30]
    for entry in facts["labels"]:
        mask = np.asarray(PillowImage.open(out / f"shaft-2.label-{entry['label']}.png")) > 0
        rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
        box = [rows[0], columns[0], rows[-1] + 1, columns[-1] + 1]
        assert entry["box_px"] == box
        assert entry["pixels"] == mask.sum()
    again = read_image(out / "shaft-1.png")[0]
    assert again.pixels.shape == (80, 64)


def test_labels_on_another_grid_end_the_command_with_a_sentence(
    broken_bone: tuple[Path, Path], tmp_path: Path
) -> None:
    _, labels = ShaftPhantom().build(shape=(30, 48, 48))
    write_nifti(labels, tmp_path / "short.nii.gz")
    done = _run(broken_bone[0], "--labels", tmp_path / "short.nii.gz", "--out", tmp_path / "films")
    assert done.returncode == 3
    assert "the labels do not fit their CT" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_one_ct_is_taken(tmp_path: Path) -> None:
    PillowImage.fromarray(np.eye(20, dtype=np.uint8) * 255).save(tmp_path / "film.png")
    with pytest.raises(ImageError, match="one CT"):
        open_ct(tmp_path / "film.png")


def test_a_ct_without_zeros_is_not_filled(broken_bone: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match="zeros"):
        open_ct(broken_bone[0], fills_zeros=True)


def test_a_pose_is_a_view_or_six_numbers() -> None:
    assert pose_of("ll").rotation_deg == (0, 0, 90)
    assert pose_of("1,2,3,4,5,6").translation_mm == (4, 5, 6)
    for text in ("1,2,3", "1,2,3,4,5,x"):
        with pytest.raises(ConfigError, match="six numbers"):
            pose_of(text)
    with pytest.raises(UnknownNameError, match="view"):
        pose_of("oblique")


def test_a_real_ct_becomes_a_film(shared_data: Path) -> None:
    from fracturax.pipelines.simulate import simulate
    from fracturax.simulation.cone_beam import ConeBeam
    from fracturax.simulation.film import Exposure
    from fracturax.simulation.scene import Scene

    folder = shared_data / "totalsegmentator-ct"
    scene = Scene(
        open_ct(folder / "example_ct.nii.gz"),
        open_ct(folder / "example_seg_fast_force_split.nii.gz"),
    )
    beam = ConeBeam(1150, 900, rows=96, columns=96, pixel_mm=(4.0, 4.0), center_mm=scene.center_mm)
    film, projection = simulate(scene, beam, Exposure())
    hips = [projection.box(label) for label in (77, 78)]
    assert hips[0] is not None
    assert hips[1] is not None
    # The patient's left is on the right of the film.
    assert hips[0].column_min > hips[1].column_min
    assert film.pixels[48, 48] > film.pixels[48, 1]
