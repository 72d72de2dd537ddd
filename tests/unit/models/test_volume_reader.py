"""The CT reader on synthetic volumes: places, refusals, and what it does not care about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fracturax.core.errors import ModelError
from fracturax.core.geometry import Geometry
from fracturax.core.image import Acquisition, Radiograph, Volume
from fracturax.core.prediction import OperatingPoints, Predictor
from fracturax.core.study import Study, UnreadableFile
from fracturax.models.bundle import Calibration, load_bundle
from fracturax.models.readers import ReaderByImage, load_reader
from fracturax.models.volume import build_volume_network
from fracturax.models.volume_bundle import (
    GRAPH,
    OUTPUTS,
    VolumeBundle,
    VolumeManifest,
)
from fracturax.models.volume_reader import VolumePredictor
from fracturax.pipelines.read import report
from fracturax.reporting import report_document
from fracturax.reporting.page import report_page
from fracturax.training.export import write_graph
from fracturax.transforms.volume_plan import VolumePlan


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a network without training that suspects every place."""
    torch.manual_seed(0)
    network = build_volume_network("densenet121_3d", growth_rate=4, init_features=8).eval()
    place = tmp_path_factory.mktemp("ct")
    example = torch.rand(2, 1, 32, 32, 32)
    write_graph(network, example, place / GRAPH, name="volumes", outputs=OUTPUTS)
    manifest = VolumeManifest(
        name="tiny",
        version="0",
        volume_network="densenet121_3d",
        created="2026-01-01",
        plan=VolumePlan(spacing_mm=1.5, size=32),
        step=16,
        calibration=Calibration(("cube",), (1.0,), 0.0),
        study_calibration=Calibration(("peak",), (1.0,), 0.0),
        operating_points=OperatingPoints(0.0, 1.0),
        cube_operating_points=OperatingPoints(0.0, 1.0),
    )
    VolumeBundle.write(place, manifest)
    return place


@pytest.fixture(scope="module")
def reader(folder: Path) -> VolumePredictor:
    """Its reader."""
    return VolumePredictor(VolumeBundle.load(folder), threads=1)


def synthetic_ct(spacing: tuple[float, float, float] = (2.0, 1.5, 1.5)) -> Volume:
    """A body with a beam of bone in it."""
    hu = np.full((40, 64, 64), -1000, np.int16)
    hu[:, 8:56, 8:56] = 40
    hu[8:36, 28:40, 20:44] = 600
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *spacing, 1.0
    affine[:3, 3] = (-48.0, -40.0, 100.0)
    geometry = Geometry.from_affine(affine)
    return Volume(hu, name="ct", geometry=geometry, acquisition=Acquisition(modality="CT"))


def test_a_finding_lies_in_the_ct_and_in_the_patient(reader: VolumePredictor) -> None:
    ct = synthetic_ct()
    answer, raw = reader.examine(ct)
    assert raw is not None and answer.status == "doubt"
    assert answer.findings and isinstance(reader, Predictor)
    for finding in answer.findings:
        assert finding.slices is not None and finding.extent_mm is not None
        assert 0 <= finding.slices[0] < finding.slices[1] <= 40
        low, high = finding.extent_mm
        # Half a voxel before the middle of the first one.
        assert low[2] == pytest.approx(100 + 2 * (finding.slices[0] - 0.5))
        assert high[0] == pytest.approx(-48 + 1.5 * (finding.box.column_max - 0.5))
        assert 0 <= finding.box.row_min < finding.box.row_max <= 64
    # Every cube that was looked at is near bone.
    middles = (raw.places + 16) * 1.5
    bone = np.array([[8 * 2.0, 28 * 1.5, 20 * 1.5], [36 * 2.0, 40 * 1.5, 44 * 1.5]])
    assert ((middles > bone[0] - 24) & (middles < bone[1] + 24)).all()
    again, _ = reader.examine(ct)
    assert again.probability == answer.probability


def test_the_answer_does_not_hang_on_how_the_file_lies(reader: VolumePredictor) -> None:
    ct = synthetic_ct()
    affine = np.asarray(ct.geometry.affine)
    turned = affine[:, [1, 0, 2, 3]].copy()
    turned[:3, 3] += turned[:3, 1] * 39
    turned[:3, 1] *= -1
    other = replace(
        ct,
        pixels=np.ascontiguousarray(ct.pixels.transpose(1, 0, 2)[:, ::-1]),
        geometry=Geometry.from_affine(turned),
    )
    one, two = reader.predict_image(ct), reader.predict_image(other)
    assert one.probability == pytest.approx(two.probability, abs=0.02)
    first, second = one.findings[0].extent_mm, two.findings[0].extent_mm
    assert first is not None and second is not None
    assert np.allclose(first, second, atol=12.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"geometry": Geometry()}, "does not say its spacing"),
        ({"geometry": Geometry((2.0, 1.5, 1.5), "patient")}, "how it lies"),
        ({"pixels": np.full((1, 64, 64), 300, np.int16)}, "one slice"),
        ({"pixels": np.full((40, 64, 64), 40, np.int16)}, "as dense as bone"),
        ({"unit": "arbitrary"}, "no CT"),
        ({"acquisition": Acquisition(modality="MR")}, "modality MR"),
        ({"geometry": synthetic_ct((9.0, 1.5, 1.5)).geometry}, "slices are 9.0 mm apart"),
    ],
)
def test_what_is_no_ct_of_bone_is_not_assessed_with_the_reason(
    reader: VolumePredictor, change: dict, said: str
) -> None:
    answer = reader.predict(Study("k", (replace(synthetic_ct(), **change),)))
    assert answer.status == "not_assessed"
    assert said in (answer.reason or "")


def test_axes_that_are_not_perpendicular_are_not_assessed(reader: VolumePredictor) -> None:
    affine = np.asarray(synthetic_ct().geometry.affine).copy()
    affine[1, 0] = 0.8  # each slice shifted against the last
    tilted = replace(synthetic_ct(), geometry=Geometry.from_affine(affine))
    assert "perpendicular" in (reader.predict_image(tilted).reason or "")


def test_a_series_that_could_not_be_read_says_why(reader: VolumePredictor) -> None:
    study = Study("k", (), (UnreadableFile("a.dcm", "slices 3 and 4 are 9 mm apart"),))
    assert reader.predict(study).reason == "slices 3 and 4 are 9 mm apart"


def test_films_and_volumes_go_to_their_readers(reader: VolumePredictor) -> None:
    def films() -> Predictor:
        raise AssertionError("no film was given")

    both = ReaderByImage(films, lambda: reader)
    study = Study("k", (synthetic_ct(),))
    assert both.predict(study).model == reader.identity
    with pytest.raises(AssertionError, match="no film"):
        both.predict(Study("k", (Radiograph(np.zeros((9, 9), np.float32)),)))


def test_the_report_shows_the_slice_with_the_box_and_says_where_it_is(
    reader: VolumePredictor,
) -> None:
    study = Study("k", (synthetic_ct(),))
    made = report(study, reader.predict(study))
    finding = made.prediction.findings[0]
    assert finding.slices is not None
    page = report_page(made)
    middle = (finding.slices[0] + finding.slices[1] - 1) // 2
    assert f"Slice {middle + 1} of 40" in page and 'class="box' in page
    document = report_document(made)["images"][0]["findings"][0]
    assert document["slices"] == list(finding.slices)
    assert document["extent_mm"] is not None


def test_the_bundle_is_known_by_what_it_reads(folder: Path) -> None:
    assert isinstance(load_reader(folder), VolumePredictor)
    with pytest.raises(ModelError, match="reads CT"):
        load_bundle(folder)
    with pytest.raises(ModelError, match="no bundle of the CT stream"):
        VolumeBundle.load(Path(load_reader("xray").bundle.folder))
