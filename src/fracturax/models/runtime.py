"""The radiograph reader: a bundle's ONNX graph, from a study to a calibrated prediction."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fracturax.core.anatomy import REGIONS, region_of_body_part
from fracturax.core.errors import ModelError
from fracturax.core.finding import Certainty, Finding
from fracturax.core.geometry import Box
from fracturax.core.image import Image, Radiograph
from fracturax.core.prediction import (
    ActivationMap,
    ImagePrediction,
    ModelIdentity,
    OperatingPoints,
    Prediction,
    Status,
)
from fracturax.core.study import Study
from fracturax.models.boxes import Boxes, distinct_boxes, join_boxes
from fracturax.models.bundle import Bundle
from fracturax.models.scope import unsuitable_file
from fracturax.transforms.plan import Placement

OUTPUTS = ("fracture", "heat", "box_logits", "boxes", "regions", "hardware", "embedding")
STRIDES = (8, 16, 32)
"""Strides of the detection head's levels, finest first."""
_SEVERITY: dict[Status, int] = {"not_assessed": 0, "no_fracture": 1, "doubt": 2, "fracture": 3}


@dataclass(frozen=True, eq=False)
class RawAnswer:
    """What the network says of one film, before calibration.

    Args:
        values: Image values by name, inputs of the calibration: `logit` (image), `heat` (peak
            of the heat map), `box` (best box), all logits.
        boxes: Joined candidate boxes in pixels of the original image, shape `(n, 4)`.
        box_logits: Their logits, shape `(n,)`, highest first.
        heat: Fracture heat in [0, 1] at stride 8 of the input.
        region_probabilities: In the order of `REGIONS`.
        hardware_probability: Of metal implants.
        embedding: Pooled features.
        placement: Where the film lies in the input.
    """

    values: dict[str, float]
    boxes: Boxes
    box_logits: npt.NDArray[np.float64]
    heat: npt.NDArray[np.float32]
    region_probabilities: npt.NDArray[np.float64]
    hardware_probability: float
    embedding: npt.NDArray[np.float32]
    placement: Placement


class XrayPredictor:
    """Reads radiographs on ONNX Runtime; thread-safe.

    Args:
        bundle: A verified bundle.
        precision: Graph to run; the bundle's default if None.
        threads: Threads of one inference. Give 1 where several films are read at once.

    Raises:
        ModelError: If ONNX Runtime refuses the graph.
    """

    def __init__(self, bundle: Bundle, *, precision: str | None = None, threads: int = 0) -> None:
        self.bundle = bundle
        self._identity = bundle.identity(precision)
        plan = bundle.manifest.plan
        self._mirrored_cells = mirrored_cells(plan.rows, plan.columns)
        self._session = _open_session(bundle.graph(precision).read_bytes(), threads)

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self._identity

    @property
    def operating_points(self) -> OperatingPoints:
        """Thresholds on the probability of an image."""
        return self.bundle.manifest.operating_points

    def predict(self, study: Study) -> Prediction:
        """Answer about a study: its most suspicious film decides.

        What the model is not made for is `not_assessed` with the reason; a study is assessed if
        at least one film is.
        """
        start = time.perf_counter()
        answers = tuple(self.predict_image(image) for image in study.images)
        assessed = [answer for answer in answers if answer.probability is not None]
        shared: dict[str, Any] = {
            "study_key": study.key,
            "model": self.identity,
            "operating_points": self.operating_points,
            "images": answers,
        }
        if not assessed:
            reasons = [answer.reason for answer in answers] or [
                one.reason for one in study.unreadable
            ]
            return Prediction(
                status="not_assessed",
                reason="; ".join(dict.fromkeys(reason for reason in reasons if reason)),
                duration_s=time.perf_counter() - start,
                **shared,
            )
        decisive = max(
            assessed, key=lambda answer: (_SEVERITY[answer.status], answer.probability or 0.0)
        )
        return Prediction(
            status=decisive.status,
            probability=decisive.probability,
            decisive_image=decisive.image,
            duration_s=time.perf_counter() - start,
            **shared,
        )

    def predict_image(self, image: Image) -> ImagePrediction:
        """Answer about one image."""
        return self.examine(image)[0]

    def examine(self, image: Image) -> tuple[ImagePrediction, RawAnswer | None]:
        """Answer about one image, and give the raw answer where the network was asked."""
        reason = unsuitable_file(image)
        if reason is not None or not isinstance(image, Radiograph):
            return ImagePrediction(image.name, "not_assessed", reason=reason), None
        raw = self.infer(image)
        return self._answer(image, raw), raw

    def _answer(self, image: Radiograph, raw: RawAnswer) -> ImagePrediction:
        scope = self.bundle.scope
        reason = scope.unsuitable(raw.embedding) if scope is not None else None
        if reason is not None:
            return ImagePrediction(image.name, "not_assessed", reason=reason)
        manifest = self.bundle.manifest
        probability = manifest.calibration.probability(raw.values)
        status = manifest.operating_points.status(probability)
        best = int(raw.region_probabilities.argmax())
        return ImagePrediction(
            image=image.name,
            status=status,
            probability=probability,
            findings=self._findings(image, raw, status),
            region=REGIONS[best],
            region_probability=float(raw.region_probabilities[best]),
            hardware_probability=raw.hardware_probability,
            activation=ActivationMap(raw.heat, _extent(raw, self.bundle)),
        )

    def infer(self, film: Radiograph) -> RawAnswer:
        """Run the graph on one film, without scope check and calibration."""
        plan = self.bundle.manifest.plan
        values, placement = plan.apply(film.pixels)
        is_mirrored = self.bundle.manifest.is_mirrored
        views = [values, values[:, ::-1]] if is_mirrored else [values]
        outputs = self._session.run(OUTPUTS, {"images": np.stack(views)[:, None]})
        answer: dict[str, npt.NDArray[np.float32]] = dict(zip(OUTPUTS, outputs, strict=True))
        if is_mirrored:
            _mirror_back(answer, self._mirrored_cells, width=plan.columns)
        heat_logits = answer["heat"].mean(axis=0)
        # Both views of a cell are averaged before boxes are joined: that steadies small boxes.
        candidates, scores = join_boxes(
            answer["boxes"].astype(np.float64).mean(axis=0),
            _sigmoid(answer["box_logits"].astype(np.float64).mean(axis=0)),
        )
        box_logits = np.log(scores) - np.log1p(-np.minimum(scores, 1 - 1e-9))
        return RawAnswer(
            values={
                "logit": float(answer["fracture"].mean()),
                "heat": float(heat_logits.max()),
                "box": float(box_logits.max(initial=-6.0)),
            },
            boxes=_to_original(candidates, placement),
            box_logits=box_logits,
            heat=_sigmoid(heat_logits.astype(np.float64)).astype(np.float32),
            region_probabilities=_sigmoid(answer["regions"].astype(np.float64).mean(axis=0)),
            hardware_probability=float(_sigmoid(answer["hardware"].astype(np.float64)).mean()),
            embedding=answer["embedding"].mean(axis=0),
            placement=placement,
        )

    def box_probabilities(self, raw: RawAnswer) -> list[float]:
        """Return the calibrated probability of each candidate box, highest first."""
        calibration = self.bundle.manifest.box_calibration
        return [calibration.probability({"box": float(logit)}) for logit in raw.box_logits]

    def _findings(self, image: Radiograph, raw: RawAnswer, status: Status) -> tuple[Finding, ...]:
        """Choose the boxes to show: none without suspicion, and never a suspicion without one."""
        if status == "no_fracture":
            return ()
        points = self.bundle.manifest.box_operating_points
        # What the file says of the body part is certain; what the network sees is not.
        seen = REGIONS[int(raw.region_probabilities.argmax())]
        region = region_of_body_part(image.acquisition.body_part) or seen
        probabilities = self.box_probabilities(raw)
        findings = []
        for rank in distinct_boxes(raw.boxes):
            probability = probabilities[rank]
            certainty: Certainty = "certain"
            if status == "doubt" or probability < points.high_specificity:
                certainty = "doubt"
            if rank > 0 and probability < points.high_sensitivity:
                break
            sides = [float(side) for side in raw.boxes[rank]]
            box = _proper_box(sides, image)
            if box is not None:
                score = float(_sigmoid(raw.box_logits[rank]))
                findings.append(Finding(image.name, box, score, probability, certainty, region))
        return tuple(findings)


def _open_session(graph: bytes, threads: int) -> Any:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Warm threads that spin would starve the decoders of a folder.
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0" if threads == 1 else "1"
    )
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise ModelError(
            "ONNX Runtime cannot load the graph", got=type(error).__name__, cure="get it again"
        ) from error


def mirrored_cells(rows: int, columns: int) -> npt.NDArray[np.intp]:
    """Return, for each cell of the detection head, the cell at its place in the mirrored input.

    Example:
        >>> mirrored_cells(32, 32)[:4].tolist()
        [3, 2, 1, 0]
    """
    cells, start = [], 0
    for stride in STRIDES:
        shape = (rows // stride, columns // stride)
        level = np.arange(start, start + shape[0] * shape[1]).reshape(shape)
        cells.append(level[:, ::-1].ravel())
        start += level.size
    return np.concatenate(cells)


def _mirror_back(
    answer: dict[str, npt.NDArray[np.float32]], cells: npt.NDArray[np.intp], *, width: int
) -> None:
    """Bring what was said of the mirrored view, the second of two, back to the film."""
    answer["heat"][1] = answer["heat"][1, :, ::-1].copy()
    answer["box_logits"][1] = answer["box_logits"][1, cells]
    boxes = answer["boxes"][1, cells]
    boxes[:, [1, 3]] = width - boxes[:, [3, 1]]
    answer["boxes"][1] = boxes


def _to_original(boxes: Boxes, placement: Placement) -> Boxes:
    offset = np.array([placement.row_offset, placement.column_offset] * 2)
    original: Boxes = (boxes - offset) / placement.scale
    return original


def _extent(raw: RawAnswer, bundle: Bundle) -> Box:
    plan = bundle.manifest.plan
    return raw.placement.to_original(Box(0.0, 0.0, float(plan.rows), float(plan.columns)))


def _proper_box(sides: list[float], image: Radiograph) -> Box | None:
    if sides[2] <= sides[0] or sides[3] <= sides[1]:
        return None
    return Box(*sides).clipped(rows=image.rows, columns=image.columns)


def _sigmoid(values: npt.NDArray[np.float64] | np.float64) -> npt.NDArray[np.float64]:
    result: npt.NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(values, -50, 50)))
    return result
