"""Film and CT of one patient become one answer, or are read alone, or are no pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from fracturax.core.errors import ModelError
from fracturax.core.fusion import FusedReading
from fracturax.core.geometry import Geometry
from fracturax.core.image import Acquisition, Radiograph, Volume
from fracturax.core.prediction import Predictor
from fracturax.core.study import Study
from fracturax.models.fused_bundle import FusedBundle
from fracturax.models.fused_runtime import FusedNetwork, Streams
from fracturax.models.readers import ReaderByImage, load_reader
from fracturax.models.volume_bundle import VolumeBundle
from fracturax.models.volume_reader import VolumePredictor
from fracturax.pipelines.explain_fusion import explain_radiomics
from fracturax.pipelines.pair_reader import PairReader
from fracturax.pipelines.place_on_film import FilmHint
from fracturax.pipelines.read import report
from fracturax.reporting import report_document
from fracturax.reporting.document import schema
from fracturax.reporting.page import report_page
from fracturax.reporting.picture import draw_picture
from fracturax.simulation.cone_beam import Pose
from synthetic_pair import BEAM, film_of, synthetic_ct
from tiny_fusion import write_tiny_fusion, write_tiny_volume

HINT = FilmHint(pose=Pose((8.0, 0.0, 2.0), (0.0, 0.0, 0.0)), pixel_mm=1.6)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Bundles of a CT stream and of a fusion on it, without training."""
    root = tmp_path_factory.mktemp("bundles")
    volume = write_tiny_volume(root / "ct")
    _, raw = VolumePredictor(volume, threads=1).examine(synthetic_ct())
    assert raw is not None
    write_tiny_fusion(root / "fused", volume, len(raw.features))
    return root / "ct", root / "fused"


@pytest.fixture(scope="module")
def make_reader(folders: tuple[Path, Path]) -> Callable[..., PairReader]:
    def make(hint: FilmHint = HINT, ct: Path = folders[0]) -> PairReader:
        def films() -> Predictor:
            return load_reader("xray", threads=1)

        def volumes() -> Predictor:
            return VolumePredictor(VolumeBundle.load(ct), threads=1)

        def fused() -> FusedNetwork:
            return FusedNetwork(FusedBundle.load(folders[1]), threads=1)

        return PairReader(ReaderByImage(films, volumes), fused=fused, hint=hint)

    return make


@pytest.fixture(scope="module")
def reader(make_reader: Callable[..., PairReader]) -> PairReader:
    return make_reader()


@pytest.fixture(scope="module")
def ct() -> Volume:
    return synthetic_ct()


@pytest.fixture(scope="module")
def film(ct: Volume) -> Radiograph:
    return film_of(ct)


def reading_of(prediction: object) -> FusedReading:
    fusion = getattr(prediction, "fusion", None)
    assert isinstance(fusion, FusedReading)
    return fusion


def test_a_pair_becomes_one_answer(reader: PairReader, film: Radiograph, ct: Volume) -> None:
    study = Study("pair", (film, ct))
    said = reader.predict(study)
    fusion = reading_of(said)
    assert said.status == "doubt" and said.model.name == "tiny-fusion"
    assert [one.image for one in said.images] == ["film", "ct"]
    assert fusion.places >= 2
    assert fusion.films[0].is_used and (fusion.films[0].likeness or 0) > 0.75
    assert {one.stream for one in fusion.shares} == {
        *("xray", "ct", "radiomics_film", "radiomics_ct")
    }
    assert sum(one.weight for one in fusion.shares) == pytest.approx(1)
    assert [kind for kind, _ in fusion.alone] == ["film", "ct"]
    assert len(fusion.features) == 6
    assert "trusted" in fusion.remarks[0]  # pictures and NIfTI name nobody
    # The film's own answer is kept: nothing of the CT is evidence of its.
    assert said.images[0].findings == ()
    _check_projections(said.images[0].projections, said.images[1].findings)


def _check_projections(projections: tuple, findings: tuple) -> None:
    """Each finding of the CT lies in the film where the true pose shows it."""
    assert len(projections) == len(findings) >= 2
    for shown, finding in zip(projections, findings, strict=True):
        low, high = (np.array(corner) for corner in finding.extent_mm)
        row, column = BEAM.project(((low + high) / 2)[None])[0]
        box = shown.box
        assert box.row_min - 1 < row < box.row_max + 1
        assert box.column_min - 1 < column < box.column_max + 1
        assert shown.source == "ct" and shown.probability == finding.probability


def test_the_report_tells_of_the_fusion(reader: PairReader, film: Radiograph, ct: Volume) -> None:
    study = Study("pair", (film, ct))
    made = report(study, reader.predict(study))
    document = report_document(made)
    jsonschema.validate(document, schema())
    assert document["fusion"] is not None
    assert sum(document["fusion"]["weights"].values()) == pytest.approx(1)
    page = report_page(made)
    for words in ("Film and CT together", "radiomics of the CT", "Radiomics that spoke most"):
        assert words in page
    assert page.count('class="box projected"') == len(document["images"][0]["projections"])
    plain = replace(made.prediction.images[0], projections=())
    without = replace(made.prediction, images=(plain, made.prediction.images[1]))
    drawn, bare = (
        draw_picture(replace(made, prediction=one), image="film").pixels
        for one in (made.prediction, without)
    )
    assert (drawn != bare).any()


def test_a_film_that_does_not_fit_is_read_alone(reader: PairReader, ct: Volume) -> None:
    noise = np.random.default_rng(0).uniform(0, 1, (96, 96)).astype(np.float32)
    said = reader.predict(Study("pair", (Radiograph(noise, "noise"), ct)))
    fusion = reading_of(said)
    assert fusion.places == 0 and not fusion.shares
    assert "not explained" in fusion.films[0].reason
    assert "not fused" in fusion.remarks[-1]
    assert said.model.name == "tiny-ct" and said.images[1].status == "doubt"


def test_a_ct_with_wrong_orientation_tags_is_not_fused(
    reader: PairReader, film: Radiograph, ct: Volume
) -> None:
    affine = np.array(ct.geometry.affine)
    affine[2] *= -1  # head and feet exchanged
    wrong = replace(ct, geometry=Geometry.from_affine(affine))
    fusion = reading_of(reader.predict(Study("pair", (film, wrong))))
    assert fusion.places == 0
    assert not fusion.films[0].is_used


@pytest.mark.parametrize(
    ("of_film", "of_ct", "words"),
    [
        ({"body_part": "hand"}, {"body_part": "pelvis"}, "of the hand, the CT of the pelvis"),
        ({"body_part": "pelvis"}, {"body_part": "head"}, "of the pelvis, the CT of the head"),
        ({"laterality": "left"}, {"laterality": "right"}, "left side, the CT of the right"),
    ],
)
def test_what_contradicts_itself_is_no_pair(
    reader: PairReader, film: Radiograph, ct: Volume, of_film: dict, of_ct: dict, words: str
) -> None:
    study = Study(
        "pair",
        (
            replace(film, acquisition=Acquisition(**of_film)),
            replace(ct, acquisition=Acquisition(modality="CT", **of_ct)),
        ),
    )
    said = reader.predict(study)
    assert said.status == "not_assessed" and words in (said.reason or "")
    assert {one.status for one in said.images} == {"not_assessed"}


def test_a_pelvis_goes_with_the_ct_of_a_trunk(
    reader: PairReader, film: Radiograph, ct: Volume
) -> None:
    film = replace(film, acquisition=Acquisition(body_part="pelvis"))
    ct = replace(ct, acquisition=Acquisition(modality="CT", body_part="abdomen"))
    assert reading_of(reader.predict(Study("pair", (film, ct)))).places


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pixels": np.full((52, 50, 56), 40, np.int16)}, "as dense as bone"),
        ({"pixels": np.full((1, 50, 56), 300, np.int16)}, "one slice"),
    ],
)
def test_a_ct_that_cannot_be_read_leaves_the_film_its_own_answer(
    reader: PairReader, film: Radiograph, ct: Volume, change: dict, words: str
) -> None:
    said = reader.predict(Study("pair", (film, replace(ct, **change))))
    assert words in (said.images[1].reason or "")
    assert words in reading_of(said).remarks[-1]
    alone = load_reader("xray", threads=1).predict(Study("film", (film,)))
    assert said.images[0].status == alone.images[0].status


def test_where_the_film_lies_has_to_be_known(
    make_reader: Callable[..., PairReader], film: Radiograph, ct: Volume
) -> None:
    bare = replace(film, geometry=Geometry(), acquisition=Acquisition())
    for hint, words in ((FilmHint(), "--pose"), (FilmHint(pose=Pose()), "--pixel-mm")):
        said = make_reader(hint).predict(Study("pair", (bare, ct)))
        assert words in reading_of(said).films[0].reason


def test_two_ct_are_not_fused(reader: PairReader, film: Radiograph, ct: Volume) -> None:
    said = reader.predict(Study("pair", (film, ct, synthetic_ct("other"))))
    assert "2 CT" in reading_of(said).remarks[0]
    assert len(said.images) == 3


def test_one_kind_of_image_goes_to_its_reader(reader: PairReader, ct: Volume) -> None:
    said = reader.predict(Study("ct", (ct,)))
    assert said.fusion is None and said.model.name == "tiny-ct"


def test_a_fusion_goes_with_its_own_ct_model(
    make_reader: Callable[..., PairReader], film: Radiograph, ct: Volume
) -> None:
    from importlib.resources import files

    packaged = Path(str(files("fracturax"))) / "bundles" / "ct"
    with pytest.raises(ModelError, match="another CT model; got ct-densenet121"):
        make_reader(ct=packaged).predict(Study("pair", (film, ct)))


def test_the_bundle_is_known_by_what_it_reads(folders: tuple[Path, Path]) -> None:
    assert FusedBundle.lies_in(folders[1]) and not FusedBundle.lies_in(folders[0])
    with pytest.raises(ModelError, match="is no bundle of a fusion"):
        FusedBundle.load(folders[0])


@pytest.fixture(scope="module")
def network(folders: tuple[Path, Path]) -> FusedNetwork:
    return FusedNetwork(FusedBundle.load(folders[1]), threads=1)


def some_streams(network: FusedNetwork, *names: str) -> Streams:
    generator = np.random.default_rng(3)
    sizes = network.bundle.manifest.sizes
    features = {
        name: generator.normal(size=(1, getattr(sizes, name))).astype(np.float32) for name in names
    }
    return Streams(features, np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 4, 4), np.float32))


def test_all_shapley_values_sum_to_what_radiomics_changed(network: FusedNetwork) -> None:
    names = ("xray", "radiomics_film", "radiomics_ct")
    streams = some_streams(network, *names)
    labels = {
        name: tuple(f"f{index}" for index in range(streams.features[name].shape[1]))
        for name in names[1:]
    }
    every = explain_radiomics(network, streams, 0, labels, most=10_000)
    own = float(network.fuse(streams).real_logit[0])
    with_training = [
        float(
            network.fuse(
                Streams(
                    {
                        "xray": streams.features["xray"],
                        **{name: network.background[name][row : row + 1] for name in labels},
                    },
                    streams.xray_map,
                    streams.ct_map,
                )
            ).real_logit[0]
        )
        for row in range(6)
    ]
    assert sum(one.shapley for one in every) == pytest.approx(
        own - np.mean(with_training), abs=0.02
    )
    assert explain_radiomics(network, some_streams(network, "ct"), 0, {}) == ()


def test_an_absent_stream_has_no_share_and_no_influence(network: FusedNetwork) -> None:
    streams = some_streams(network, "ct", "xray")
    blank = np.full_like(streams.features["xray"], np.nan)
    absent = Streams(
        {"ct": streams.features["ct"], "xray": blank}, streams.xray_map, streams.ct_map
    )
    alone = Streams({"ct": streams.features["ct"]}, streams.xray_map, streams.ct_map)
    said = [network.answers(one, network.fuse(one))[0] for one in (absent, alone)]
    assert said[0] == said[1]
    assert said[0].weights == (("ct", pytest.approx(1.0)),)
    with pytest.raises(ModelError, match="no stream at all"):
        Streams({"xray": blank}, streams.xray_map, streams.ct_map)
    with pytest.raises(ModelError, match="was not calibrated on these streams; got clinical"):
        clinical = some_streams(network, "clinical")
        network.answers(clinical, network.fuse(clinical))
