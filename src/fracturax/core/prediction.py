"""A Prediction: what a model answers about a study, and the Predictor protocol all models share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, get_args, runtime_checkable

import numpy as np
import numpy.typing as npt

from fracturax.core.anatomy import Region
from fracturax.core.errors import ModelError
from fracturax.core.finding import Certainty, Finding
from fracturax.core.fusion import FusedReading
from fracturax.core.geometry import Box
from fracturax.core.study import Study

Status = Literal["fracture", "doubt", "no_fracture", "not_assessed"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class ModelIdentity:
    """Which model answered: enough to find the very same one again."""

    name: str
    version: str
    bundle_sha256: str
    plan_sha256: str
    precision: str = "fp32"

    @property
    def label(self) -> str:
        """Return what a table of predictions calls the model.

        Example:
            >>> ModelIdentity("xray", "2026.14", "", "").label
            'xray@2026.14'
        """
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class OperatingPoints:
    """The two thresholds on the calibrated probability that make three answers of it.

    Args:
        high_sensitivity: Below it the answer is `no_fracture`.
        high_specificity: From it on the answer is `fracture`; between the two, `doubt`.

    Raises:
        ModelError: If they are not ordered within [0, 1].

    Example:
        >>> OperatingPoints(high_sensitivity=0.1, high_specificity=0.5).status(0.3)
        'doubt'
    """

    high_sensitivity: float
    high_specificity: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.high_sensitivity <= self.high_specificity <= 1.0:
            raise ModelError(
                "operating points must be ordered within [0, 1]",
                got=f"{self.high_sensitivity} and {self.high_specificity}",
            )

    def status(self, probability: float) -> Status:
        """Return the answer that a probability stands for."""
        if probability >= self.high_specificity:
            return "fracture"
        return "doubt" if probability >= self.high_sensitivity else "no_fracture"


@dataclass(frozen=True)
class Guarantee:
    """What answers by two thresholds are worth at least, on films like those of a sample.

    Args:
        points: The thresholds it is about: *no_fracture* below the one, *fracture* from the other
            on, *doubt* between them.
        ppv: Share of *fracture* answers that are right, at least; None where no threshold could be
            proven, and nothing is called fractured.
        npv: The same of *no_fracture* answers.
        confidence: Of both together, over the draw of the sample.
        cases: Size of the sample.
        source: Where the sample comes from, in words.
        region: The region it is for; None where it holds over all regions together.

    Raises:
        ModelError: If a share is not between 0 and 1.

    Example:
        >>> Guarantee(OperatingPoints(0.1, 0.5), 0.75, 0.96, 0.9, 3491, "our site").as_words()
        'Of films like the 3491 of our site, at least 75 % of "fracture" and 96 % of "no fracture" \
answers are right, with 90 % confidence.'
    """

    points: OperatingPoints
    ppv: float | None
    npv: float | None
    confidence: float
    cases: int
    source: str
    region: Region | None = None

    def __post_init__(self) -> None:
        for name in ("ppv", "npv", "confidence"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ModelError(
                    "what a guarantee promises lies between 0 and 1", got=f"{name} {value}"
                )

    def status(self, probability: float) -> Status:
        """Return the answer that a probability stands for; none that is not promised."""
        status = self.points.status(probability)
        return "doubt" if status == "fracture" and self.ppv is None else status

    def as_words(self) -> str:
        """Return it as a sentence."""
        shown = f"{self.region} films" if self.region else "films"
        promised = [
            f'{100 * share:g} % of "{answer}"'
            for share, answer in ((self.ppv, "fracture"), (self.npv, "no fracture"))
            if share is not None
        ]
        sample = f"{shown} like the {self.cases} of {self.source}"
        if not promised:
            return f"Of {sample}, nothing could be proven: every one is in doubt."
        return (
            f"Of {sample}, at least {' and '.join(promised)} answers are right, with "
            f"{100 * self.confidence:g} % confidence."
        )


@dataclass(frozen=True, eq=False)
class ActivationMap:
    """Where the model saw evidence, in a film or a volume.

    Args:
        values: In [0, 1], shape `(rows, columns)`, or `(slices, rows, columns)` of a volume.
        extent: The area of the original image that the map covers, in its pixels; it may reach
            over the border where the model padded.
        slices: The slices that the map of a volume covers, likewise; None for a film.

    Raises:
        ModelError: If values and slices do not fit together.
    """

    values: npt.NDArray[np.float32]
    extent: Box
    slices: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != (2 if self.slices is None else 3):
            raise ModelError(
                "an activation map is (rows, columns), or (slices, rows, columns) of a volume",
                got=f"shape {self.values.shape}",
            )

    def plane(self, index: int) -> ActivationMap:
        """Return the map of one slice of the original volume; of a film it is the map itself.

        Example:
            >>> values = np.array([[[0.1]], [[0.9]]], np.float32)
            >>> heat = ActivationMap(values, Box(0, 0, 8, 8), slices=(0, 10))
            >>> float(heat.plane(7).values[0, 0])
            0.8999999761581421
        """
        if self.slices is None:
            return self
        low, high = self.slices
        place = int((index + 0.5 - low) / (high - low) * len(self.values))
        inside = min(max(place, 0), len(self.values) - 1)
        return ActivationMap(self.values[inside], self.extent)


@dataclass(frozen=True)
class ProjectedFinding:
    """Where a finding of another image of the study is seen in this one.

    Args:
        source: Name of the image that the finding lies in.
        box: In pixels of this image.
        probability: That of the finding.
        certainty: That of the finding.
    """

    source: str
    box: Box
    probability: float
    certainty: Certainty


@dataclass(frozen=True, eq=False)
class ImagePrediction:
    """The answer about one image of a study. Fields as in `Prediction`.

    `projections` are findings of another image, seen in this one; they are no evidence of its own.
    """

    image: str
    status: Status
    probability: float | None = None
    reason: str | None = None
    findings: tuple[Finding, ...] = ()
    region: Region | None = None
    region_probability: float | None = None
    hardware_probability: float | None = None
    activation: ActivationMap | None = None
    guarantee: Guarantee | None = None
    projections: tuple[ProjectedFinding, ...] = ()

    def __post_init__(self) -> None:
        _check_answer(self.status, self.probability, self.reason)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model answers about one study.

    Args:
        study_key: Key of the study.
        status: `fracture`, `doubt`, `no_fracture`, or `not_assessed`.
        model: Which model answered.
        operating_points: The thresholds behind the status.
        probability: Calibrated probability of at least one fracture; None if not assessed.
        reason: Why the study was not assessed; None if it was.
        decisive_image: Name of the image that the answer comes from.
        images: The answer image by image, in the order of the study.
        duration_s: Wall-clock seconds of reading the study, without loading the model.
        fusion: How several kinds of image became one answer; None where one was enough.

    Raises:
        ModelError: If an assessed study lacks a probability or an unassessed one its reason.
    """

    study_key: str
    status: Status
    model: ModelIdentity
    operating_points: OperatingPoints
    probability: float | None = None
    reason: str | None = None
    decisive_image: str | None = None
    images: tuple[ImagePrediction, ...] = ()
    duration_s: float = 0.0
    fusion: FusedReading | None = None

    def __post_init__(self) -> None:
        _check_answer(self.status, self.probability, self.reason)

    @property
    def guarantee(self) -> Guarantee | None:
        """What the answer is worth at least: that of the decisive image, film by film."""
        return next(
            (one.guarantee for one in self.images if one.image == self.decisive_image), None
        )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings of the study, most probable first."""
        every = (finding for image in self.images for finding in image.findings)
        return tuple(sorted(every, key=lambda finding: -finding.probability))


_SUSPICION: dict[Status, int] = {"not_assessed": 0, "no_fracture": 1, "doubt": 2, "fracture": 3}
AnswerT = TypeVar("AnswerT", ImagePrediction, Prediction)


def most_suspicious(answers: Iterable[AnswerT]) -> AnswerT:
    """Return the answer that decides among several: by its status, then by its probability.

    Example:
        >>> said = [ImagePrediction("a", "doubt", 0.4), ImagePrediction("b", "no_fracture", 0.5)]
        >>> most_suspicious(said).image
        'a'
    """
    return max(answers, key=lambda one: (_SUSPICION[one.status], one.probability or 0.0))


def join_answers(
    study: Study,
    answers: Sequence[ImagePrediction],
    *,
    model: ModelIdentity,
    operating_points: OperatingPoints,
    duration_s: float,
) -> Prediction:
    """Return the answer about a study: that of its most suspicious image.

    A study is assessed if at least one image is; else it says why none was.

    Args:
        study: The study.
        answers: One an image, in its order.
        model: Which model answered.
        operating_points: The thresholds, where no guarantee has its own.
        duration_s: Wall-clock seconds of the reading.
    """
    assessed = [one for one in answers if one.probability is not None]
    if not assessed:
        reasons = [one.reason for one in answers] or [one.reason for one in study.unreadable]
        return Prediction(
            study_key=study.key,
            status="not_assessed",
            model=model,
            operating_points=operating_points,
            reason="; ".join(dict.fromkeys(reason for reason in reasons if reason)),
            images=tuple(answers),
            duration_s=duration_s,
        )
    decisive = most_suspicious(assessed)
    promised = decisive.guarantee
    return Prediction(
        study_key=study.key,
        status=decisive.status,
        model=model,
        operating_points=operating_points if promised is None else promised.points,
        probability=decisive.probability,
        decisive_image=decisive.image,
        images=tuple(answers),
        duration_s=duration_s,
    )


def _check_answer(status: Status, probability: float | None, reason: str | None) -> None:
    if status not in STATUSES:
        raise ModelError("an answer has an unknown status", got=repr(status))
    if status == "not_assessed":
        if probability is not None or not reason:
            raise ModelError("what is not assessed has a reason and no probability")
    elif probability is None or not (math.isfinite(probability) and 0.0 <= probability <= 1.0):
        raise ModelError("an answer needs a probability in [0, 1]", got=repr(probability))
    elif reason is not None:
        raise ModelError("what was assessed has no reason for not being so")


@runtime_checkable
class Predictor(Protocol):
    """Anything that answers about a study: a network, a forest on radiomics, an ensemble."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        ...

    @property
    def operating_points(self) -> OperatingPoints:
        """The thresholds behind its answers."""
        ...

    def predict(self, study: Study) -> Prediction:
        """Answer about one study; what cannot be assessed is an answer, not an error."""
        ...
