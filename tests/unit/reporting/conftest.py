from collections.abc import Callable

import numpy as np
import pytest

from fracturax.core.finding import Finding
from fracturax.core.geometry import Box, Geometry
from fracturax.core.image import Acquisition, Radiograph, Step
from fracturax.core.prediction import (
    ActivationMap,
    ImagePrediction,
    ModelIdentity,
    OperatingPoints,
    Prediction,
)
from fracturax.core.report import Report
from fracturax.core.study import Study, UnreadableFile

MODEL = ModelIdentity("xray", "0.1.0", "3f" * 32, "a9" * 32, "int8")
POINTS = OperatingPoints(0.118, 0.487)
CERTAIN = Box(120.5, 60.25, 260.0, 180.0)
DOUBT = Box(300.0, 200.0, 380.0, 320.0)


def make_film(name: str = "wrist.dcm", *, rows: int = 500, columns: int = 400) -> Radiograph:
    pixels = np.random.default_rng(0).random((rows, columns), np.float32)
    return Radiograph(
        pixels,
        name=name,
        file_sha256="0c" * 32,
        geometry=Geometry((0.15, 0.15), "imager_plane"),
        acquisition=Acquisition("DX", "wrist", "left", "AP", 55.0),
        history=(Step("window", (("center", 2048.0), ("width", 4096.0))),),
    )


def make_report(
    name: str = "wrist.dcm", *, synthetic: bool = False, rows: int = 500, columns: int = 400
) -> Report:
    film = make_film(name, rows=rows, columns=columns)
    answer = ImagePrediction(
        name,
        "fracture",
        0.8712345678901234,
        None,
        (
            Finding(name, CERTAIN, 0.9, 0.8712345678901234, "certain", "hand"),
            Finding(name, DOUBT, 0.3, 0.21, "doubt", None),
        ),
        "hand",
        0.99,
        0.02,
        ActivationMap(np.eye(10, dtype=np.float32), Box(-50.0, 0.0, 550.0, 400.0)),
    )
    prediction = Prediction(
        "4f1a", "fracture", MODEL, POINTS, 0.8712345678901234, None, name, (answer,), 1.5
    )
    return Report(
        Study("4f1a", (film,), (UnreadableFile("notes.pdf", "it is no image"),)),
        prediction,
        "2026-01-01T10:00:00+00:00",
        "fracturax 0.1.0",
        synthetic,
    )


def make_unassessed(*, films: tuple[Radiograph, ...] = ()) -> Report:
    prediction = Prediction(
        "c0ff", "not_assessed", MODEL, POINTS, None, "a chest is out of scope <b>"
    )
    study = Study("c0ff", films, (UnreadableFile("a.dcm", "the file is cut short"),))
    return Report(study, prediction, "2026-01-01T10:00:00+00:00", "fracturax 0.1.0")


@pytest.fixture
def report() -> Report:
    return make_report()


@pytest.fixture
def film() -> Callable[..., Radiograph]:
    return make_film


@pytest.fixture
def report_of() -> Callable[..., Report]:
    return make_report


@pytest.fixture
def unassessed_of() -> Callable[..., Report]:
    return make_unassessed
