import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fracturax.core.errors import ModelError, UnknownNameError
from fracturax.core.image import Acquisition, Radiograph, Step, Volume
from fracturax.core.prediction import ImagePrediction, OperatingPoints, Predictor
from fracturax.core.study import Study, UnreadableFile
from fracturax.models.bundle import BF16, TURNED, Bundle, Calibration
from fracturax.models.runtime import OUTPUTS, RawAnswer, XrayPredictor
from fracturax.models.scope import ScopeModel, fit_scope
from fracturax.models.session import Arrays, OnnxRuntimeSession
from fracturax.models.xray import XrayNetwork, cell_centers, pool_by_heat
from tiny_model import PLAN, drawn_radiograph

FILMS = [drawn_radiograph(seed, name=f"film {seed}") for seed in range(6)]


def _same(one: RawAnswer, other: RawAnswer) -> bool:
    return (
        one.values == other.values
        and np.array_equal(one.boxes, other.boxes)
        and np.array_equal(one.heat, other.heat)
        and np.array_equal(one.embedding, other.embedding)
    )


def _with(predictor: XrayPredictor, **manifest: object) -> XrayPredictor:
    """Return a reader of the same graph with another calibration or other thresholds."""
    changed = replace(predictor.bundle.manifest, **manifest)
    return XrayPredictor(replace(predictor.bundle, manifest=changed), threads=1)


def test_the_graph_answers_as_the_network_does(exported: tuple[XrayNetwork, Bundle]) -> None:
    network, bundle = exported
    predictor = XrayPredictor(bundle, threads=1)
    inputs = np.stack([PLAN.apply(film.pixels)[0] for film in FILMS])[:, None]
    with torch.inference_mode():
        expected = network(torch.from_numpy(inputs))._asdict()
    answers = predictor._session.run(OUTPUTS, {"images": inputs})
    for name, answer in zip(OUTPUTS, answers, strict=True):
        # Boxes are pixels: a thousandth of one is as good as equal.
        tolerance = 1e-3 if name == "boxes" else 1e-4
        assert np.allclose(answer, expected[name].numpy(), rtol=1e-4, atol=tolerance), name
    # The network does tell films apart, else the comparison would be worth nothing.
    assert np.ptp(answers[0]) > 0.01


def test_the_weights_of_a_bundle_are_those_of_its_graph(
    exported: tuple[XrayNetwork, Bundle],
) -> None:
    from safetensors.torch import load_file

    network, bundle = exported
    again = XrayNetwork(weights="random", width=16).eval()
    state = load_file(bundle.folder / "model.safetensors")
    again.load_state_dict(
        {name: one.float() if one.is_floating_point() else one for name, one in state.items()}
    )
    images = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        assert torch.equal(again(images).fracture, network(images).fracture)


def test_a_film_read_twice_gives_the_same_answer(predictor: XrayPredictor) -> None:
    assert _same(predictor.infer(FILMS[0]), predictor.infer(FILMS[0]))
    assert not _same(predictor.infer(FILMS[0]), predictor.infer(FILMS[1]))


def test_four_threads_get_the_answers_of_one(predictor: XrayPredictor) -> None:
    expected = [predictor.infer(film) for film in FILMS]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(predictor.infer, FILMS * 4))
    assert all(_same(one, expected[number % 6]) for number, one in enumerate(answers))


def test_a_mirrored_film_gives_mirrored_boxes(predictor: XrayPredictor) -> None:
    film = FILMS[1]
    mirrored = Radiograph(np.ascontiguousarray(film.pixels[:, ::-1]))
    one, other = predictor.infer(film), predictor.infer(mirrored)
    turned = one.boxes[:, [0, 3, 2, 1]] * [1, -1, 1, -1] + [0, film.columns, 0, film.columns]
    assert len(one.boxes) >= 3
    assert np.allclose(other.boxes, turned, atol=0.05)
    assert np.allclose(other.box_logits, one.box_logits, atol=1e-3)
    assert np.allclose(other.heat, one.heat[:, ::-1], atol=1e-4)
    assert other.values == pytest.approx(one.values, abs=1e-3)


def test_a_film_is_read_mirrored_only_where_that_could_matter(predictor: XrayPredictor) -> None:
    once = _with(predictor, is_mirrored=False).infer(FILMS[1])
    both = predictor.infer(FILMS[1])
    probability = predictor.bundle.manifest.calibration.probability(once.values)
    assert not _same(once, both)
    near = OperatingPoints(probability * 0.999, 0.9999)
    for points, margin, expected in (
        (OperatingPoints(0.9998, 0.9999), 0.01, once),
        (OperatingPoints(0.9998, 0.9999), math.inf, both),
        (near, 0.0, both),
    ):
        reader = _with(predictor, operating_points=points, mirror_margin=margin)
        assert _same(reader.infer(FILMS[1]), expected)


def test_a_film_beyond_the_margin_costs_one_run_of_the_graph_and_any_other_two(
    predictor: XrayPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs: list[int] = []
    run = OnnxRuntimeSession.run

    def counted(session: OnnxRuntimeSession, outputs: Sequence[str], feed: Arrays):
        inputs.append(len(feed["images"]))
        return run(session, outputs, feed)

    # The closer look has a graph of its own, which is not counted here.
    alone = replace(predictor.bundle.manifest, closer=None)
    for margin, expected in ((0.01, [1]), (math.inf, [1, 1]), (None, [2])):
        manifest = replace(
            alone, operating_points=OperatingPoints(0.9998, 0.9999), mirror_margin=margin
        )
        reader = XrayPredictor(replace(predictor.bundle, manifest=manifest), threads=1)
        with monkeypatch.context() as patch:
            patch.setattr(OnnxRuntimeSession, "run", counted)
            reader.infer(FILMS[1])
        assert inputs == expected
        inputs.clear()


def test_one_reading_gives_the_answers_of_one_view_and_of_both(predictor: XrayPredictor) -> None:
    once, both = predictor.infer_from_one_and_both(FILMS[1])
    assert _same(once, _with(predictor, is_mirrored=False).infer(FILMS[1]))
    assert _same(both, predictor.infer(FILMS[1]))
    # What is refused must not depend on how often a film was read.
    assert np.array_equal(once.texture, both.texture)
    assert np.allclose(once.texture, predictor.texture(FILMS[1]), atol=1e-5)


def test_what_was_computed_in_bfloat16_says_so_and_only_a_bundle_that_bears_it_is(
    predictor: XrayPredictor,
) -> None:
    manifest = predictor.bundle.manifest
    graphs = (*manifest.graphs, (BF16, dict(manifest.graphs)["fp32"]))
    bears = replace(predictor.bundle, manifest=replace(manifest, graphs=graphs))
    reduced = XrayPredictor(bears, precision=BF16, threads=1)
    assert reduced.identity.precision == "bf16"
    assert XrayPredictor(bears, precision="fp32", threads=1).identity.precision == "fp32"
    one, other = reduced.infer(FILMS[1]), predictor.infer(FILMS[1])
    assert one.values["logit"] == pytest.approx(other.values["logit"], abs=1.0)
    with pytest.raises(UnknownNameError, match="bf16"):
        XrayPredictor(predictor.bundle, precision=BF16, threads=1)


def test_a_film_that_lies_gives_the_answer_of_the_standing_one_turned(
    predictor: XrayPredictor,
) -> None:
    upright = Radiograph(np.ascontiguousarray(FILMS[1].pixels[:, : FILMS[1].columns * 3 // 4]))
    lying = Radiograph(np.ascontiguousarray(np.rot90(upright.pixels, -1)))
    plan = replace(predictor.bundle.manifest.plan, frame="portrait")
    reader = _with(predictor, plan=plan)
    one, other = reader.infer(upright), reader.infer(lying)
    assert upright.rows > upright.columns
    assert other.values == {**one.values, TURNED: 1.0}
    assert one.values[TURNED] == 0.0
    assert np.array_equal(other.heat, np.rot90(one.heat, -1))
    # A corner (row, column) of the standing film lies at (column, rows - row) of the other.
    turned = one.boxes[:, [1, 2, 3, 0]] * [1, -1, 1, -1] + [0, upright.rows, 0, upright.rows]
    assert np.allclose(other.boxes, turned)
    assert other.extent.row_min == one.extent.column_min
    assert other.extent.column_min == upright.rows - one.extent.row_max


def test_without_mirroring_the_film_alone_is_asked(
    exported: tuple[XrayNetwork, Bundle], predictor: XrayPredictor
) -> None:
    plain = _with(predictor, is_mirrored=False)
    images = torch.from_numpy(PLAN.apply(FILMS[1].pixels)[0][None, None])
    with torch.inference_mode():
        both = exported[0](torch.cat([images, images.flip(3)])).fracture
    assert plain.infer(FILMS[1]).values["logit"] == pytest.approx(float(both[0]), abs=1e-4)
    assert predictor.infer(FILMS[1]).values["logit"] == pytest.approx(float(both.mean()), abs=1e-4)


@pytest.mark.parametrize("shape", [(97, 96), (113, 301), (640, 111), (501, 499)])
def test_films_of_any_size_are_read_and_boxes_lie_in_them(
    predictor: XrayPredictor, shape: tuple[int, int]
) -> None:
    film = Radiograph(np.random.default_rng(1).random(shape, np.float32))
    answer = predictor.predict_image(film)
    assert answer.status == "fracture"
    assert answer.findings
    for finding in answer.findings:
        assert finding.box.clipped(rows=shape[0], columns=shape[1]) == finding.box


def test_boxes_are_in_pixels_of_the_original_film(predictor: XrayPredictor) -> None:
    # Nearest-neighbour enlargement by two: the same film, its boxes twice as large.
    film = FILMS[1]
    twice = Radiograph(np.repeat(np.repeat(film.pixels, 2, axis=0), 2, axis=1))
    assert np.allclose(predictor.infer(twice).boxes, 2 * predictor.infer(film).boxes, atol=0.5)


def test_a_reader_is_what_the_protocol_asks_for(predictor: XrayPredictor) -> None:
    assert isinstance(predictor, Predictor)


@pytest.mark.parametrize(
    ("intercept", "status"), [(-9.0, "no_fracture"), (0.0, "doubt"), (9.0, "fracture")]
)
def test_operating_points_make_the_answer(
    predictor: XrayPredictor, intercept: float, status: str
) -> None:
    points = OperatingPoints(0.2, 0.8)
    reader = _with(
        predictor,
        calibration=Calibration(("logit",), (0.0,), intercept),
        operating_points=points,
        box_operating_points=OperatingPoints(1.0, 1.0),
    )
    answer = reader.predict_image(FILMS[1])
    assert answer.status == status
    assert answer.probability == pytest.approx(1 / (1 + np.exp(-intercept)))
    # No box is probable enough; suspicion still has a place, and only suspicion has.
    assert len(answer.findings) == (0 if status == "no_fracture" else 1)


def test_findings_follow_the_thresholds_of_boxes(predictor: XrayPredictor) -> None:
    everything = predictor.predict_image(FILMS[1]).findings
    assert len(everything) >= 3
    middle = (everything[1].probability + everything[2].probability) / 2
    high = (everything[0].probability + everything[1].probability) / 2
    reader = _with(predictor, box_operating_points=OperatingPoints(middle, high))
    findings = reader.predict_image(FILMS[1]).findings
    assert [finding.box for finding in findings] == [finding.box for finding in everything[:2]]
    assert [finding.certainty for finding in findings] == ["certain", "doubt"]


def test_no_finding_is_certain_where_the_film_is_in_doubt(predictor: XrayPredictor) -> None:
    findings = _with(predictor, operating_points=OperatingPoints(0.0, 1.0)).predict_image(FILMS[1])
    assert findings.status == "doubt"
    assert {finding.certainty for finding in findings.findings} == {"doubt"}


def test_the_body_part_of_the_file_names_the_region_of_findings(predictor: XrayPredictor) -> None:
    film = Radiograph(FILMS[1].pixels, acquisition=Acquisition("DX", "ankle"))
    assert {one.region for one in predictor.predict_image(film).findings} == {"leg"}


def test_images_are_answered_in_the_order_of_the_study_and_alone_as_together(
    predictor: XrayPredictor,
) -> None:
    together = predictor.predict(Study("key", tuple(FILMS)))
    assert [answer.image for answer in together.images] == [film.name for film in FILMS]
    for film, answer in zip(FILMS, together.images, strict=True):
        alone = predictor.predict_image(film)
        assert alone.probability == answer.probability
        assert alone.findings == answer.findings


def test_the_most_severe_image_decides_though_another_is_read_last(
    predictor: XrayPredictor,
) -> None:
    logits = [predictor.infer(film).values["logit"] for film in FILMS]
    for films in (FILMS, FILMS[::-1]):
        answer = predictor.predict(Study("key", tuple(films)))
        assert answer.decisive_image == FILMS[int(np.argmax(logits))].name
        assert answer.probability == max(one.probability or 0.0 for one in answer.images)


def test_what_cannot_be_assessed_does_not_hide_what_can(predictor: XrayPredictor) -> None:
    volume = Volume(np.zeros((3, 8, 8), np.int16), name="ct", acquisition=Acquisition("CT"))
    answer = predictor.predict(Study("key", (volume, FILMS[0])))
    assert (answer.status, answer.decisive_image) == ("fracture", "film 0")
    assert [one.status for one in answer.images] == ["not_assessed", "fracture"]
    unassessed = predictor.predict(Study("key", (volume,)))
    assert (unassessed.status, unassessed.probability) == ("not_assessed", None)
    assert "cross-sectional CT" in (unassessed.reason or "")


def test_a_study_of_unreadable_files_says_why(predictor: XrayPredictor) -> None:
    answer = predictor.predict(Study("key", (), (UnreadableFile("a.dcm", "it is cut off"),)))
    assert (answer.status, answer.reason) == ("not_assessed", "it is cut off")


def test_a_film_out_of_scope_is_refused_by_its_features(predictor: XrayPredictor) -> None:
    raw = predictor.infer(FILMS[0])
    size = raw.texture.size
    scope = ScopeModel(
        mean=raw.texture,
        scale=np.ones(size, np.float32),
        components=np.eye(1, size, dtype=np.float32),
        spread=np.ones(1, np.float32),
        residual_scale=1e-6,
        limit=1.0,
    )
    reader = XrayPredictor(replace(predictor.bundle, scope=scope), threads=1)
    statuses: list[ImagePrediction] = [reader.predict_image(film) for film in FILMS[:2]]
    assert [one.status for one in statuses] == ["fracture", "not_assessed"]
    assert "feature distance" in (statuses[1].reason or "")


def test_a_film_of_the_trunk_is_refused_by_the_regions_it_shows(
    predictor: XrayPredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = predictor.infer(FILMS[0])
    scope = fit_scope(np.stack([raw.texture + shift for shift in (-1, 0, 1)]), limit=1e9)
    for regions, is_refused in (([0.9, 0.1, 0.9, 0.9], True), ([0.9, 0.1, 0.1, 0.9], False)):
        seen = replace(raw, region_probabilities=np.array(regions))
        for one in (scope, None):
            reader = XrayPredictor(replace(predictor.bundle, scope=one), threads=1)
            monkeypatch.setattr(reader, "infer", lambda film, seen=seen: seen)
            answer = reader.predict_image(FILMS[0])
            is_checked = one is not None
            assert (answer.status == "not_assessed") == (is_refused and is_checked)
            assert "hip and shoulder" in (answer.reason or "hip and shoulder")


def test_a_graph_that_is_none_is_a_sentence(predictor: XrayPredictor, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph at all")
    with pytest.raises(ModelError, match="cannot load the graph"):
        XrayPredictor(replace(predictor.bundle, folder=tmp_path))


def test_cells_lie_in_the_middle_of_their_stride() -> None:
    centers = cell_centers(torch.zeros(1, 1, 2, 3), 8)
    assert centers.tolist() == [[4, 4], [4, 12], [4, 20], [12, 4], [12, 12], [12, 20]]


def test_a_hot_cell_alone_decides_what_is_pooled() -> None:
    features = torch.arange(12.0).view(1, 2, 2, 3)
    heat = torch.full((1, 2, 3), -20.0)
    heat[0, 1, 0] = 20.0
    pooled, peak = pool_by_heat(features, heat)
    assert pooled[0].tolist() == pytest.approx([3.0, 9.0])
    assert float(peak) == pytest.approx(5.0)


def _framed(film: Radiograph, top: int, left: int) -> Radiograph:
    whole = np.ones((film.rows + 2 * top, film.columns + 2 * left), np.float32)
    whole[top:-top, left:-left] = film.pixels
    return Radiograph(whole)


def test_steps_come_first_and_their_boxes_come_back_to_the_film(predictor: XrayPredictor) -> None:
    bare = Radiograph(np.random.default_rng(3).random((150, 110), np.float32))
    plan = replace(predictor.bundle.manifest.plan, steps=(Step("crop_border"),))
    one, other = (
        predictor.infer(bare),
        _with(predictor, plan=plan).infer(_framed(bare, top=20, left=35)),
    )
    assert other.values == one.values
    assert np.array_equal(other.heat, one.heat)
    assert len(one.boxes) >= 1
    assert np.allclose(other.boxes, one.boxes + np.array([20, 35, 20, 35]))
    assert other.extent.row_min == one.extent.row_min + 20
    assert other.extent.column_max == one.extent.column_max + 35


def test_a_film_that_a_step_does_not_take_is_not_assessed(predictor: XrayPredictor) -> None:
    plan = replace(predictor.bundle.manifest.plan, steps=(Step("to_spacing"),))
    answer = _with(predictor, plan=plan).predict_image(FILMS[0])
    assert answer.status == "not_assessed"
    assert "spacing" in (answer.reason or "")
