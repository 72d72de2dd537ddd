"""The reader that a bundle is for, and one that gives each image of a study to the right reader."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from fracturax.core.errors import ModelError, UnknownNameError
from fracturax.core.image import Radiograph
from fracturax.core.prediction import (
    ModelIdentity,
    OperatingPoints,
    Prediction,
    Predictor,
    most_suspicious,
)
from fracturax.core.progress import Progress, silent
from fracturax.core.study import Study
from fracturax.models.bundle import load_bundle
from fracturax.models.fused_bundle import FusedBundle
from fracturax.models.runtime import XrayPredictor
from fracturax.models.store import find_bundle
from fracturax.models.volume_bundle import VolumeBundle
from fracturax.models.volume_reader import VolumePredictor


def load_reader(
    source: str | Path,
    *,
    precision: str | None = None,
    threads: int = 0,
    progress: Progress = silent,
) -> XrayPredictor | VolumePredictor:
    """Load the reader of a bundle, of radiographs or of CT.

    Args:
        source: A name as `find_bundle` takes it, or a folder.
        precision: Graph to run; the bundle's default if None.
        threads: Threads of one inference; 0 takes all cores.
        progress: Is told how far the reading of a CT is.

    Raises:
        UnknownNameError: If there is no such bundle, or it has no such precision.
        ModelError: If the bundle is damaged, was changed, or is of a fusion.
    """
    folder = find_bundle(source)
    if FusedBundle.lies_in(folder):
        raise ModelError(
            "a fusion reads beside the models of film and CT",
            got=str(source),
            cure="give film and CT: fracturax read --xray FILM --ct CT, without --model",
        )
    if not VolumeBundle.lies_in(folder):
        return XrayPredictor(load_bundle(folder), precision=precision, threads=threads)
    if precision not in (None, "fp32"):
        raise UnknownNameError("precision", str(precision), ["fp32"])
    return VolumePredictor(VolumeBundle.load(folder), threads=threads, progress=progress)


class ReaderByImage:
    """Gives films to one reader and volumes to another; each is loaded when it is first needed.

    Of a study that holds both, the more suspicious answer is the study's, and the model that gave
    it is named.

    Args:
        films: Loads the reader of radiographs.
        volumes: Loads the reader of CT.
    """

    def __init__(self, films: Callable[[], Predictor], volumes: Callable[[], Predictor]) -> None:
        self._loaders = {"films": films, "volumes": volumes}
        self._loaded: dict[str, Predictor] = {}
        self._lock = threading.Lock()

    @property
    def identity(self) -> ModelIdentity:
        """The reader of radiographs; each prediction names the model that gave it."""
        return self.reader("films").identity

    @property
    def operating_points(self) -> OperatingPoints:
        """Those of the reader of radiographs; each prediction names its own."""
        return self.reader("films").operating_points

    def predict(self, study: Study) -> Prediction:
        """Answer about a study, each image by the reader that is made for it."""
        start = time.perf_counter()
        films = tuple(image for image in study.images if isinstance(image, Radiograph))
        volumes = tuple(image for image in study.images if not isinstance(image, Radiograph))
        if not volumes or not films:
            return self.reader("volumes" if volumes else "films").predict(study)
        answers = [
            self.reader("films").predict(replace(study, images=films)),
            self.reader("volumes").predict(replace(study, images=volumes)),
        ]
        decisive = most_suspicious(answers)
        by_name = {image.image: image for answer in answers for image in answer.images}
        ordered = tuple(by_name[image.name] for image in study.images)
        return replace(decisive, images=ordered, duration_s=time.perf_counter() - start)

    def reader(self, kind: Literal["films", "volumes"]) -> Predictor:
        """Return the reader of films or of volumes."""
        with self._lock:
            if kind not in self._loaded:
                self._loaded[kind] = self._loaders[kind]()
            return self._loaded[kind]
