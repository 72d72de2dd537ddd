"""`fracturax read --xray --ct` with the models that come with the package, on a synthetic pair."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from fracturax.cli.app import app
from fracturax.core.errors import ConfigError
from synthetic_pair import film_of, synthetic_ct


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A film and the CT it was simulated from, as files that name nobody."""
    folder = tmp_path_factory.mktemp("pair")
    ct = synthetic_ct()
    to_ras = np.diag([-1.0, -1.0, 1.0, 1.0])
    # NIfTI counts columns, rows, slices.
    affine = to_ras @ np.array(ct.geometry.affine)[:, [2, 1, 0, 3]]
    image = nibabel.Nifti1Image(np.asarray(ct.pixels, np.int16).transpose(), affine)
    nibabel.save(image, folder / "ct.nii.gz")
    pixels = np.rint(film_of(ct).pixels * 65535).astype(np.uint16)
    cv2.imwrite(str(folder / "film.png"), pixels)
    return folder / "film.png", folder / "ct.nii.gz"


def test_a_pair_is_read_and_its_report_tells_how(pair: tuple[Path, Path], tmp_path: Path) -> None:
    film, ct = pair
    asked = ["read", "--xray", film, "--ct", ct, "--pose", "AP", "--pixel-mm", "1.6"]
    done = CliRunner().invoke(app, [*map(str, asked), "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    (study,) = json.loads(done.stdout)["studies"]
    assert study["fusion"]["films"][0]["is_used"]
    assert sum(study["fusion"]["weights"].values()) == pytest.approx(1, abs=1e-5)
    assert {image["name"] for image in study["images"]} == {"film.png", "ct.nii.gz"}
    page = next(path for path in study["files"] if path.endswith(".html"))
    assert "Film and CT together" in Path(page).read_text(encoding="utf-8")


def test_a_folder_with_both_is_a_pair(pair: tuple[Path, Path], tmp_path: Path) -> None:
    asked = ["read", str(pair[0].parent), "--out", str(tmp_path), "--json"]
    done = CliRunner().invoke(app, asked)
    (study,) = json.loads(done.stdout)["studies"]
    assert "--pose" in done.stderr
    # Where nobody says how the patient lay, both are read alone, and the answer says why.
    assert "--pose" in study["fusion"]["films"][0]["reason"]
    assert study["fusion"]["weights"] == {}


def test_without_the_extra_each_is_read_alone_and_the_terminal_says_why(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "fracturax.simulation.joseph", raising=False)
    monkeypatch.delattr("fracturax.simulation.joseph", raising=False)
    film, ct = pair
    asked = ["read", "--xray", film, "--ct", ct, "--pose", "AP", "--pixel-mm", "1.6"]
    done = CliRunner().invoke(app, [*map(str, asked), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "not fused: no film could be laid over the CT" in done.stderr
    assert 'pip install "fracturax[imaging]"' in done.stderr
    assert "casting rays through a CT needs the optional part 'imaging'" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--xray", "film.png"], "a pair is a film and a CT; got --xray alone"),
        (["--ct", "ct.nii.gz"], "got --ct alone"),
        (["more.png", "--xray", "film.png", "--ct", "ct.nii.gz"], "got 1 more paths"),
        (["--xray", "film.png", "--ct", "ct.nii.gz", "--model", "xray"], "got --model"),
        ([], "nothing to read"),
    ],
)
def test_what_is_no_pair_is_a_usage_error(options: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["read", *options])
    assert isinstance(done.exception, ConfigError)
    assert words in str(done.exception)
