"""A presentation state shows a film as the reader saw it, by DCMTK's pixel pipeline."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from pydicom.dataset import Dataset

from dicom_builders import save
from form_sources import ct_series, debian, made, radiograph, report_on, save_all
from fracturax.imaging import open_study
from fracturax.reporting.film import display_pixels

RAMP = np.linspace(0, 4095, 60 * 50).astype(np.uint16).reshape(60, 50)


def _table(first: int, entries: np.ndarray, *, bits: int = 12) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries) % 65536, first, bits])
    item.add_new("LUTData", "OW", entries.astype("<u2").tobytes())
    item.ModalityLUTType = "US"
    return item


ROOT = _table(0, 4095 * np.sqrt(np.linspace(0, 1, 4096)))
FALLING = _table(0, np.arange(4095, -1, -1))
LARGEST = _table(0, 65535 * np.sqrt(np.linspace(0, 1, 65536)), bits=16)
NO_WINDOW = {"WindowCenter": None, "WindowWidth": None}
NO_RESCALE = {"RescaleSlope": None, "RescaleIntercept": None, "RescaleType": None}

CASES: dict[str, dict[str, Any]] = {
    "monochrome2": {},
    "monochrome1": {"PhotometricInterpretation": "MONOCHROME1"},
    "narrow window": {"WindowCenter": 1000, "WindowWidth": 800},
    "first of two windows": {"WindowCenter": [1000, 2000], "WindowWidth": [800, 100]},
    "no window": NO_WINDOW,
    "no window, monochrome1": {**NO_WINDOW, "PhotometricInterpretation": "MONOCHROME1"},
    "rescale": {
        "RescaleSlope": 2.5,
        "RescaleIntercept": -500,
        "WindowCenter": 1000,
        "WindowWidth": 3000,
    },
    "voi lut": {**NO_WINDOW, "VOILUTSequence": [ROOT]},
    "largest voi lut": {**NO_WINDOW, "VOILUTSequence": [LARGEST]},
    "modality lut": {**NO_RESCALE, "ModalityLUTSequence": [FALLING]},
    "both": {**NO_RESCALE, **NO_WINDOW, "ModalityLUTSequence": [FALLING],
             "VOILUTSequence": [ROOT]},
}  # fmt: skip


def _by_dcmtk(state: Dataset, source: Path, folder: Path) -> np.ndarray:
    save(state, folder / "state.dcm")
    command = [debian("dcmp2pgm"), "-p", folder / "state.dcm", source, folder / "shown.pgm"]
    subprocess.run(command, check=True, capture_output=True)
    with PillowImage.open(folder / "shown.pgm") as picture:
        return np.asarray(picture.convert("L")).astype(int)


@pytest.mark.parametrize("attributes", CASES.values(), ids=CASES)
def test_a_film_under_its_state_is_what_the_reader_saw(
    tmp_path: Path, attributes: dict[str, Any]
) -> None:
    path = save(radiograph(RAMP, **attributes), tmp_path / "film.dcm")
    study = open_study(path)
    (state,) = made(report_on(study, {}), "gsps")
    shown = _by_dcmtk(state, path, tmp_path)
    assert np.abs(shown - display_pixels(study.images[0]).astype(int)).max() <= 1


def test_a_slice_without_a_window_has_the_bone_window(tmp_path: Path) -> None:
    volume = np.linspace(0, 4095, 3 * 60 * 50).astype(np.int16).reshape(3, 60, 50)
    series = ct_series(volume)
    study = open_study(save_all(series, tmp_path))
    (state,) = made(report_on(study, {}), "gsps")
    middle = tmp_path / f"{series[1].SOPInstanceUID}.dcm"
    shown = _by_dcmtk(state, middle, tmp_path)
    assert np.abs(shown - display_pixels(study.images[0]).astype(int)).max() <= 1


def test_films_of_one_polarity_share_a_state_and_others_do_not(tmp_path: Path) -> None:
    films = [
        radiograph(RAMP, number=1),
        radiograph(
            RAMP, number=2, WindowCenter=900, WindowWidth=500, ImagerPixelSpacing=[0.3, 0.1]
        ),
        radiograph(RAMP, number=3, PhotometricInterpretation="MONOCHROME1"),
    ]
    study = open_study(save_all(films, tmp_path))
    states = made(report_on(study, {}), "gsps")
    assert [state.PresentationLUTShape for state in states] == ["IDENTITY", "INVERSE"]
    both, alone = states
    assert len(both.SoftcopyVOILUTSequence) == len(both.DisplayedAreaSelectionSequence) == 2
    assert all("ReferencedImageSequence" in item for item in both.SoftcopyVOILUTSequence)
    assert "ReferencedImageSequence" not in alone.SoftcopyVOILUTSequence[0]
    for state, number in ((both, 1), (both, 2), (alone, 3)):
        path = tmp_path / f"{films[number - 1].SOPInstanceUID}.dcm"
        wanted = display_pixels(study.images[number - 1]).astype(int)
        assert np.abs(_by_dcmtk(state, path, tmp_path) - wanted).max() <= 1
