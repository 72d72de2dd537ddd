"""Features of bones, masks and boxes at the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fracturax.cli.app import app
from fracturax.core.image import Radiograph
from fracturax.example import example_study_folder
from fracturax.pipelines.preprocess import write_png

FAST = '{"families": ["firstorder", "shape"]}'


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A film with a bright square on dark, and its mask."""
    pixels = np.full((60, 50), 0.2, np.float32)
    pixels[10:30, 20:40] = 0.8
    write_png(Radiograph(pixels), tmp_path / "film.png")
    write_png(Radiograph((pixels > 0.5).astype(np.float32)), tmp_path / "mask.png")
    (tmp_path / "plan.json").write_text(FAST)
    return tmp_path / "film.png"


def test_a_mask_and_its_box_say_the_same(film: Path) -> None:
    plan = film.parent / "plan.json"
    answers = []
    for region in (("--mask", str(film.parent / "mask.png")), ("--box", "10,20,30,40")):
        command = ["radiomics", str(film), *region, "--plan", str(plan), "--json"]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        answers.append(json.loads(result.stdout)["images"][0]["features"])
    assert answers[0] == answers[1]
    assert answers[0]["original_shape2D_PixelSurface"] == 400
    assert answers[0]["original_firstorder_Mean"] == pytest.approx(0.8 * 255, abs=0.01)


def test_the_bone_of_the_example_becomes_a_line_a_film(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(FAST)
    out = tmp_path / "table.csv"
    command = ["radiomics", str(example_study_folder() / "forearm"), "--out", str(out)]
    result = CliRunner().invoke(app, [*command, "--plan", str(tmp_path / "plan.json")])
    assert result.exit_code == 0, result.output
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["region"] for row in rows] == ["bone"] * len(rows)
    assert len(rows) == 2
    assert all(float(row["original_firstorder_Entropy"]) > 0 for row in rows if not row["reason"])


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (["--box", "1,2,3"], "a box is four numbers"),
        (["--box", "90,90,99,99"], "outside the film"),
        (["--mask", "MASK", "--box", "1,2,3,4"], "a mask or a box; got both"),
    ],
)
def test_wrong_regions_are_refused(film: Path, region: list[str], words: str) -> None:
    given = [str(film.parent / "mask.png") if one == "MASK" else one for one in region]
    result = CliRunner().invoke(app, ["radiomics", str(film), *given])
    assert result.exit_code != 0
    assert words in str(result.exception)
