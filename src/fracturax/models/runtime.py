"""The radiograph reader: a bundle's ONNX graph, from a study to a calibrated prediction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fracturax.core.anatomy import REGIONS, region_of_body_part
from fracturax.core.errors import ImageError, ModelError
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
    join_answers,
)
from fracturax.core.study import Study
from fracturax.models.boxes import Boxes, distinct_boxes, join_boxes
from fracturax.models.bundle import BF16, TURNED, Bundle, Calibration, Manifest
from fracturax.models.closer import CloserReader, mirrored_cells, same_once
from fracturax.models.fastest import REDUCED, open_fastest
from fracturax.models.scope import unsuitable_file, unsuitable_regions
from fracturax.models.session import Session
from fracturax.transforms.frame import Frame
from fracturax.transforms.plan import Placement, Prepared
from fracturax.transforms.window import Detail

OUTPUTS = (
    "fracture",
    "heat",
    "box_logits",
    "boxes",
    "regions",
    "hardware",
    "embedding",
    "texture",
)
WINDOW_OUTPUTS = ("box_logits", "boxes")
SECOND_OUTPUTS = ("fracture",)
_NO_BOX_LOGIT = -6.0
"""What a film without any candidate box is given for its best one."""


@dataclass(frozen=True, eq=False)
class RawAnswer:
    """What the network says of one film, before calibration.

    Args:
        values: Image values by name, inputs of the calibration: `logit` (image), `heat` (peak
            of the heat map), `box` (best box of the first look) and, where there is one,
            `closer` (best box of the closer look) and `second` (image, by the second opinion), all
            logits; `turned`, where the plan turns lying films, is 1 if this one was.
        boxes: Candidate boxes in pixels of the original image, shape `(n, 4)`.
        box_values: Values of the boxes by name, inputs of their calibration: `box` and, where
            there is a closer look, `closer`; logits of shape `(n,)`.
        box_logits: Sum of these, shape `(n,)`, highest first.
        heat: Fracture heat in [0, 1] at stride 8 of the input, turned as the image is.
        extent: Where the heat lies, in pixels of the original image.
        region_probabilities: In the order of `REGIONS`.
        hardware_probability: Of metal implants.
        embedding: Pooled features.
        texture: What the scope check judges, of the film as it stands: how features lie and vary at
            stride 16.
        bone_quality: Of the bone mask, where the plan shows one; below `USABLE` of `bone_mask`
            the network was shown the whole film in its place.
    """

    values: dict[str, float]
    boxes: Boxes
    box_values: dict[str, npt.NDArray[np.float64]]
    box_logits: npt.NDArray[np.float64]
    heat: npt.NDArray[np.float32]
    extent: Box
    region_probabilities: npt.NDArray[np.float64]
    hardware_probability: float
    embedding: npt.NDArray[np.float32]
    texture: npt.NDArray[np.float32]
    bone_quality: float | None = None


_View = dict[str, npt.NDArray[np.float32]]
"""What a graph says of one view of a film, by output."""


@dataclass(frozen=True, eq=False)
class _Seen:
    """A film on its way into the network; `detail`, for a closer look, lies as its frame does."""

    prepared: Prepared
    frame: Frame
    placement: Placement
    channels: npt.NDArray[np.float32]
    detail: Detail | None


class XrayPredictor:
    """Reads radiographs on ONNX Runtime; thread-safe.

    Args:
        bundle: A verified bundle.
        precision: Graph to run. If None the bundle's default, or bfloat16 where the bundle was
            shown to bear it, OpenVINO is installed, and it is much faster here.
        threads: Threads of one inference. Give 1 where several films are read at once.

    Raises:
        ModelError: If ONNX Runtime refuses the graph, or it does not take what the plan makes.
    """

    def __init__(self, bundle: Bundle, *, precision: str | None = None, threads: int = 0) -> None:
        self.bundle = bundle
        plan, manifest = bundle.manifest.plan, bundle.manifest
        self._mirrored_cells = mirrored_cells(plan.rows, plan.columns, manifest.strides)
        film = (1, plan.channels, plan.rows, plan.columns)
        opened = _opener(manifest, precision, threads)
        self._session = opened(bundle.graph(precision), film)
        taken = self._session.input_shape[1]
        if taken != plan.channels:
            raise ModelError(
                "the graph of the bundle does not take what its plan makes of a film",
                got=f"{taken} channels for {plan.channels}",
                cure="a region of interest as a channel is trained: set it in the recipe",
            )
        self._second: Session | None = None
        if bundle.manifest.second is not None:
            self._second = opened(bundle.folder / bundle.manifest.second, film)
        self._closer: CloserReader | None = None
        closer = bundle.manifest.closer
        if closer is not None:
            window = closer.window
            windows = (2 * window.at_most, 1, window.size, window.size)
            session = opened(bundle.folder / closer.graph, windows)
            run = partial(_run_windows, session)
            self._closer = CloserReader(run, closer, plan)
        self._identity = bundle.identity(precision)
        if self._session.precision != "fp32":
            self._identity = replace(self._identity, precision=self._session.precision)

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return self._identity

    @property
    def operating_points(self) -> OperatingPoints:
        """Thresholds on the probability of an image, where no guarantee has its own."""
        return self.bundle.manifest.operating_points

    def predict(self, study: Study) -> Prediction:
        """Answer about a study: its most suspicious film decides.

        What the model is not made for is `not_assessed` with the reason; a study is assessed if
        at least one film is.
        """
        start = time.perf_counter()
        answers = [self.predict_image(image) for image in study.images]
        return join_answers(
            study,
            answers,
            model=self.identity,
            operating_points=self.operating_points,
            duration_s=time.perf_counter() - start,
        )

    def predict_image(self, image: Image) -> ImagePrediction:
        """Answer about one image."""
        return self.examine(image)[0]

    def examine(self, image: Image) -> tuple[ImagePrediction, RawAnswer | None]:
        """Answer about one image, and give the raw answer where the network was asked."""
        reason = unsuitable_file(image)
        if reason is not None or not isinstance(image, Radiograph):
            return ImagePrediction(image.name, "not_assessed", reason=reason), None
        try:
            raw = self.infer(image)
        except ImageError as error:  # a step of the plan does not take the film
            reason = f"the film cannot be prepared: {error}"
            return ImagePrediction(image.name, "not_assessed", reason=reason), None
        return self._answer(image, raw), raw

    def _answer(self, image: Radiograph, raw: RawAnswer) -> ImagePrediction:
        scope = self.bundle.scope
        reason = None
        if scope is not None:
            reason = scope.unsuitable(raw.texture) or unsuitable_regions(raw.region_probabilities)
        if reason is not None:
            return ImagePrediction(image.name, "not_assessed", reason=reason)
        manifest = self.bundle.manifest
        probability = manifest.calibration.probability(raw.values)
        best = int(raw.region_probabilities.argmax())
        guarantee = manifest.guarantee_of(REGIONS[best])
        status = (guarantee or manifest.operating_points).status(probability)
        return ImagePrediction(
            image=image.name,
            status=status,
            probability=probability,
            findings=self._findings(image, raw, status),
            region=REGIONS[best],
            region_probability=float(raw.region_probabilities[best]),
            hardware_probability=raw.hardware_probability,
            activation=ActivationMap(raw.heat, raw.extent),
            guarantee=guarantee,
        )

    def infer(self, film: Radiograph) -> RawAnswer:
        """Run the graph on one film, without scope check and calibration.

        Where the bundle has a margin, the mirrored film is read only if it could matter.
        """
        manifest = self.bundle.manifest
        seen = self._see(film)
        if not manifest.is_mirrored:
            return self._raw(seen, self._read(seen.channels[None]))
        if manifest.mirror_margin is None:
            return self._raw(seen, self._read_both(seen))
        first = self._read(seen.channels[None])
        raw = self._raw(seen, first)
        if not manifest.needs_mirror(manifest.calibration.probability(raw.values)):
            return raw
        mirrored = self._read(_mirrored(seen.channels)[None])
        return self._raw(seen, [*first, *map(self._turn_back, mirrored)])

    def infer_from_one_and_both(self, film: Radiograph) -> tuple[RawAnswer, RawAnswer]:
        """Return what `infer` says of a film read once, and of one read mirrored too."""
        seen = self._see(film)
        views = self._read_both(seen)
        return self._raw(seen, views[:1]), self._raw(seen, views)

    def _see(self, film: Radiograph) -> _Seen:
        """Bring a film to the network's input."""
        plan = self.bundle.manifest.plan
        prepared = plan.prepare(film)
        frame = plan.frame_of(prepared.pixels)
        pixels = frame.turn(prepared.pixels)
        values, placement = plan.apply(pixels)
        channels = plan.stack(values, prepared.bones, frame)
        detail = None if self._closer is None else self._closer.detail_of(pixels, placement)
        return _Seen(prepared, frame, placement, channels, detail)

    def _read(self, images: npt.NDArray[np.float32]) -> list[_View]:
        """Return what is said of each of some inputs, shape `(n, channels, rows, columns)`."""
        feed = {"images": images}
        said = dict(zip(OUTPUTS, self._session.run(OUTPUTS, feed), strict=True))
        if self._second is not None:
            said["second"] = self._second.run(SECOND_OUTPUTS, feed)[0]
        return [{name: one[row] for name, one in said.items()} for row in range(len(images))]

    def _read_both(self, seen: _Seen) -> list[_View]:
        upright, mirrored = self._read(np.stack([seen.channels, _mirrored(seen.channels)]))
        return [upright, self._turn_back(mirrored)]

    def _turn_back(self, view: _View) -> _View:
        """Bring back to the film what was said of its mirror image."""
        cells = self._mirrored_cells
        boxes = view["boxes"][cells]
        boxes[:, [1, 3]] = self.bundle.manifest.plan.columns - boxes[:, [3, 1]]
        heat = view["heat"][:, ::-1]
        return view | {"heat": heat, "box_logits": view["box_logits"][cells], "boxes": boxes}

    def _raw(self, seen: _Seen, views: Sequence[_View]) -> RawAnswer:
        """Join what was said of one or both views of a film, and look closer."""
        plan = self.bundle.manifest.plan
        frame, placement, axis_map = seen.frame, seen.placement, seen.prepared.axis_map
        answer = {name: np.mean([one[name] for one in views], axis=0) for name in views[0]}
        # Both views of a cell are averaged before boxes are joined: that steadies small boxes.
        candidates, scores = join_boxes(
            answer["boxes"].astype(np.float64), _sigmoid(answer["box_logits"].astype(np.float64))
        )
        logits = np.log(scores) - np.log1p(-np.minimum(scores, 1 - 1e-9))
        whole = np.array([[0.0, 0.0, float(plan.rows), float(plan.columns)]])
        extent = placement.boxes_to_original(whole)
        boxes, box_values = self._look_closer(
            seen, placement.boxes_to_original(candidates), logits, mirrored=len(views) > 1
        )
        best = {
            name: float(values.max(initial=_NO_BOX_LOGIT)) for name, values in box_values.items()
        }
        hardware = [_sigmoid(np.float64(one["hardware"])) for one in views]
        bones = seen.prepared.bones
        return RawAnswer(
            values={
                "logit": float(answer["fracture"]),
                "heat": float(answer["heat"].max()),
                **best,
                **({"second": float(answer["second"])} if "second" in answer else {}),
                **({TURNED: float(frame.is_turned)} if plan.frame == "portrait" else {}),
            },
            boxes=axis_map.boxes_to_original(frame.turn_boxes_back(boxes)),
            box_values=box_values,
            box_logits=np.sum(list(box_values.values()), axis=0),
            heat=frame.turn_back(_sigmoid(answer["heat"].astype(np.float64)).astype(np.float32)),
            extent=Box(*axis_map.boxes_to_original(frame.turn_boxes_back(extent))[0].tolist()),
            region_probabilities=_sigmoid(answer["regions"].astype(np.float64)),
            hardware_probability=float(np.mean(hardware)),
            embedding=answer["embedding"],
            # Of the film alone: whether it was read mirrored too must not change what is refused.
            texture=views[0]["texture"],
            bone_quality=None if bones is None else bones.quality,
        )

    def texture(self, film: Radiograph) -> npt.NDArray[np.float32]:
        """Return what the scope check judges of a film."""
        images = {"images": self._see(film).channels[None]}
        found: npt.NDArray[np.float32] = self._session.run(["texture"], images)[0][0]
        return found

    def _look_closer(
        self, seen: _Seen, boxes: Boxes, logits: npt.NDArray[np.float64], *, mirrored: bool
    ) -> tuple[Boxes, dict[str, npt.NDArray[np.float64]]]:
        """Look again at the best candidates; return them by the sum of both logits."""
        if self._closer is None or seen.detail is None:
            return boxes, {"box": logits}
        boxes, logits = boxes[: self._closer.at_most], logits[: self._closer.at_most]
        placed, again = self._closer.look(seen.detail, boxes, logits, thoroughly=mirrored)
        chosen = same_once(placed, logits + again)
        return placed[chosen], {"box": logits[chosen], "closer": again[chosen]}

    def _findings(self, image: Radiograph, raw: RawAnswer, status: Status) -> tuple[Finding, ...]:
        """Choose the boxes to show: none without suspicion, and never a suspicion without one."""
        if status == "no_fracture":
            return ()
        points = self.bundle.manifest.box_operating_points
        # What the file says of the body part is certain; what the network sees is not.
        seen = REGIONS[int(raw.region_probabilities.argmax())]
        region = region_of_body_part(image.acquisition.body_part) or seen
        probabilities = box_probabilities(raw, self.bundle.manifest.box_calibration)
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


def box_probabilities(raw: RawAnswer, calibration: Calibration) -> npt.NDArray[np.float64]:
    """Return the calibrated probability of each candidate box, in the order of `raw.boxes`."""
    rows = zip(*raw.box_values.values(), strict=True)
    return np.array(
        [
            calibration.probability(dict(zip(raw.box_values, map(float, row), strict=True)))
            for row in rows
        ],
        np.float64,
    )


def _opener(
    manifest: Manifest, precision: str | None, threads: int
) -> Callable[[Path, tuple[int, ...]], Session]:
    """Return what opens a graph for inputs of a shape, in the precision that was asked for."""

    def opened(path: Path, shape: tuple[int, ...]) -> Session:
        graph = path.read_bytes()
        if precision == BF16:
            return REDUCED["openvino-bf16"](graph, threads)
        may_be_reduced = precision is None and BF16 in dict(manifest.graphs)
        return open_fastest(graph, threads, {"images": shape}, reduced=may_be_reduced)

    return opened


def _mirrored(channels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(channels[..., ::-1])


def _run_windows(
    session: Session, windows: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    logits, boxes = session.run(WINDOW_OUTPUTS, {"images": windows})
    return logits, boxes


def _proper_box(sides: list[float], image: Radiograph) -> Box | None:
    if sides[2] <= sides[0] or sides[3] <= sides[1]:
        return None
    return Box(*sides).clipped(rows=image.rows, columns=image.columns)


def _sigmoid(values: npt.NDArray[np.float64] | np.float64) -> npt.NDArray[np.float64]:
    result: npt.NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(values, -50, 50)))
    return result
