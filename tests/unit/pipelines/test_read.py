"""Reports of many studies: a form that one of them cannot have keeps nothing else back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from form_sources import block, radiograph, report_on, save_all
from fracturax.core.errors import UnknownNameError
from fracturax.core.finding import Finding
from fracturax.core.geometry import Box
from fracturax.core.prediction import ModelIdentity, OperatingPoints, Prediction
from fracturax.core.study import Study
from fracturax.pipelines.read import find_all, read_to_folder


class Marker:
    """A predictor that marks the same place in the first film of every study."""

    identity = ModelIdentity("marker", "1", "3f" * 32, "a9" * 32)
    operating_points = OperatingPoints(0.1, 0.5)

    def predict(self, study: Study) -> Prediction:
        name = study.images[0].name
        finding = Finding(name, Box(10, 5, 20, 15), 0.9, 0.8, "certain")
        return report_on(study, {name: (finding,)}).prediction


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    pixels = block((40, 30), (slice(10, 20), slice(5, 15)))
    save_all([radiograph(pixels, number=number) for number in (1, 2)], folder)
    PillowImage.fromarray(np.full((40, 30), 90, np.uint8)).save(folder / "z.png")
    return folder


def test_each_study_has_the_forms_it_can_have_and_the_rest_is_told(
    films: Path, tmp_path: Path
) -> None:
    studies = find_all([films])
    forms = ["html", "sr", "seg", "sr"]
    dicom, picture = read_to_folder(studies, Marker(), out=tmp_path / "out", forms=forms, workers=1)
    key = dicom.report.study.key
    names = [file.name for file in dicom.files]
    assert names == [f"study-{key}.html", f"study-{key}.sr.dcm", f"study-{key}.seg.dcm"]
    assert not dicom.left_out
    assert [file.suffix for file in picture.files] == [".html"]
    assert [one.form for one in picture.left_out] == ["sr", "seg"]
    assert all("not read from DICOM" in str(one.error) for one in picture.left_out)


def test_an_unknown_form_is_refused_before_anything_is_read(films: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="form"):
        next(read_to_folder(find_all([films]), Marker(), out=tmp_path / "out", forms=["srr"]))
    assert not (tmp_path / "out").exists()
