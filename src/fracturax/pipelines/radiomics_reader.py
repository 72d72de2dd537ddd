"""Reading by radiomics: the bone of an image, its features, and a learner that answers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property

from fracturax.core.errors import ImageError, ModelError
from fracturax.core.image import Image, Radiograph
from fracturax.core.prediction import (
    ImagePrediction,
    ModelIdentity,
    OperatingPoints,
    Prediction,
    join_answers,
)
from fracturax.core.provenance import software_version
from fracturax.core.study import Study
from fracturax.pipelines.radiomics import bone_of
from fracturax.radiomics import FittedLearner, extract_features


@dataclass(frozen=True, eq=False)
class RadiomicsReader:
    """A fitted learner as a `Predictor`: what it is given are the features of the bone.

    The bone is found without training, and all bones of an image are one region. It answers
    about the image as a whole and marks no place.

    Args:
        learner: Has a plan, and says which images it is for.

    Raises:
        ModelError: If it has no plan, or does not say what it reads.
    """

    learner: FittedLearner

    def __post_init__(self) -> None:
        if self.learner.plan is None or self.learner.reads is None:
            raise ModelError(
                "a learner that reads images has a plan and says which images it is for",
                got=f"plan {self.learner.plan}, reads {self.learner.reads}",
                cure="fit it with plan= and reads=",
            )

    @cached_property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        plan = self.learner.plan
        assert plan is not None, "checked when it was built"
        return ModelIdentity(
            name=f"radiomics-{self.learner.name}",
            version=software_version(),
            bundle_sha256=self.learner.sha256,
            plan_sha256=plan.sha256,
        )

    @property
    def operating_points(self) -> OperatingPoints:
        """The thresholds behind its answers."""
        return self.learner.operating_points

    def predict(self, study: Study) -> Prediction:
        """Answer about a study: its most suspicious image decides.

        An image of another kind, or without usable bone, is `not_assessed` with the reason; a
        study is assessed if at least one image is.

        Raises:
            MissingExtraError: If pyradiomics is not installed.
            ModelError: If its plan gives other features than the learner knows.
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
        kind = "film" if isinstance(image, Radiograph) else "ct"
        if kind != self.learner.reads:
            reason = f"this learner reads {_WORDS[self.learner.reads or kind]}, not {_WORDS[kind]}"
            return ImagePrediction(image.name, "not_assessed", reason=reason)
        try:
            bone, reason = bone_of(image)
            if reason:
                return ImagePrediction(image.name, "not_assessed", reason=reason)
            found = extract_features(image, bone, plan=self.learner.plan)
        except ImageError as error:
            reason = f"the bone cannot be described: {error}"
            return ImagePrediction(image.name, "not_assessed", reason=reason)
        if set(found.names) != set(self.learner.feature_names):
            raise ModelError(
                "the plan gives other features than the learner knows",
                got=f"{len(found.names)} features for {len(self.learner.feature_names)}",
                cure="fit it on what extract_features gives with the same plan",
            )
        row = [found[name] for name in self.learner.feature_names]
        probability = float(self.learner.probability([row])[0])
        status = self.operating_points.status(probability)
        return ImagePrediction(image.name, status, probability=probability)


_WORDS = {"film": "films", "ct": "CT"}
