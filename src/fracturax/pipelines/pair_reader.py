"""The reader of studies that may hold film and CT: one answer, or each by its own reader."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fracturax.core.errors import ModelError
from fracturax.core.fusion import FusedReading
from fracturax.core.image import Volume
from fracturax.core.prediction import (
    ImagePrediction,
    ModelIdentity,
    OperatingPoints,
    Prediction,
)
from fracturax.core.study import Study
from fracturax.models.fused_bundle import FusedBundle
from fracturax.models.fused_runtime import FusedNetwork
from fracturax.models.readers import ReaderByImage, load_reader
from fracturax.models.store import find_bundle
from fracturax.models.volume_reader import VolumePredictor

if TYPE_CHECKING:
    from fracturax.pipelines.place_on_film import FilmHint


class PairReader:
    """Reads films, CT, and both together; thread-safe.

    A study of films or of CT alone goes to the reader that is made for it. Of a study with films
    and one CT the film's pose in the CT is searched first. Where it is found, each suspicious place
    of the CT is looked at in both, and the fusion answers; where it is not, both are read alone,
    and the prediction says why. A pair that contradicts itself is not assessed.

    Args:
        alone: Reads films and CT alone.
        fused: Loads the fusion.
        hint: What the films' files do not say.
    """

    def __init__(
        self,
        alone: ReaderByImage,
        *,
        fused: Callable[[], FusedNetwork],
        hint: FilmHint | None = None,
    ) -> None:
        self._alone, self._fused = alone, fused
        self._hint = hint
        self._loaded: tuple[VolumePredictor, FusedNetwork] | None = None
        self._lock = threading.Lock()

    @property
    def identity(self) -> ModelIdentity:
        """The reader of radiographs; each prediction names the model that gave it."""
        return self._alone.identity

    @property
    def operating_points(self) -> OperatingPoints:
        """Those of the reader of radiographs; each prediction names its own."""
        return self._alone.operating_points

    def predict(self, study: Study) -> Prediction:
        """Answer about a study."""
        films = study.radiographs
        volumes = tuple(image for image in study.images if isinstance(image, Volume))
        if not films or not volumes:
            return self._alone.predict(study)
        start = time.perf_counter()
        if len(volumes) > 1:
            remark = f"not fused: {len(volumes)} CT in the study; give the one to use by --ct"
            reading = FusedReading(places=0, remarks=(remark,))
            return replace(self._alone.predict(study), fusion=reading)
        # What a pair needs takes a second to import; a film alone does not wait for it.
        from fracturax.pipelines.pair_check import contradiction
        from fracturax.pipelines.read_pair import read_pair

        reader, network = self._parts()
        reason = contradiction(films, volumes[0])
        if reason is not None:
            return _refused(study, network, f"no pair: {reason}")
        made = read_pair(
            study,
            volumes[0],
            of_films=self._alone.predict(replace(study, images=films)),
            reader=reader,
            network=network,
            hint=self._hint,
        )
        return replace(made, duration_s=time.perf_counter() - start)

    def _parts(self) -> tuple[VolumePredictor, FusedNetwork]:
        """Load both models.

        Raises:
            ModelError: If the fusion was trained on features of another CT model.
        """
        with self._lock:
            if self._loaded is None:
                from fracturax.radiomics.places import CROP_PLAN, CUBE_PLAN

                reader, network = self._alone.reader("volumes"), self._fused()
                assert isinstance(reader, VolumePredictor), "volumes have a reader of CT"
                manifest = network.bundle.manifest
                if reader.bundle.sha256 != manifest.volume_sha256:
                    raise ModelError(
                        "the fusion goes with another CT model",
                        got=f"{reader.identity.label}, it needs {manifest.volume_model}",
                        cure="train the fusion again, or give the CT model it was trained with",
                    )
                known = {"radiomics_film": CROP_PLAN.sha256, "radiomics_ct": CUBE_PLAN.sha256}
                if any(known.get(name) != sha256 for name, sha256 in manifest.radiomics):
                    raise ModelError(
                        "the fusion was trained on other radiomics than this version computes",
                        cure="train it again: fracturax prepare radiomics, fracturax train",
                    )
                self._loaded = reader, network
            return self._loaded


def load_pair_reader(*, threads: int = 0, hint: FilmHint | None = None) -> PairReader:
    """Load the reader of pairs that comes with the package.

    Args:
        threads: Threads of one inference; 0 takes all cores.
        hint: What the films' files do not say.
    """
    alone = ReaderByImage(
        partial(load_reader, "xray", threads=threads), partial(load_reader, "ct", threads=threads)
    )
    return PairReader(alone, fused=partial(load_fusion, threads=threads), hint=hint)


def load_fusion(source: str | Path = "fused", *, threads: int = 0) -> FusedNetwork:
    """Load a fusion by the name or folder of its bundle.

    Raises:
        UnknownNameError: If there is no such bundle.
        ModelError: If it is damaged, was changed, or is none of a fusion.
    """
    return FusedNetwork(FusedBundle.load(find_bundle(source)), threads=threads)


def _refused(study: Study, network: FusedNetwork, reason: str) -> Prediction:
    """Return that a pair was not assessed, and none of its images.

    One of them is not the patient's, and nobody here knows which.
    """
    return Prediction(
        study_key=study.key,
        status="not_assessed",
        model=network.bundle.identity,
        operating_points=network.bundle.manifest.operating_points,
        reason=reason,
        images=tuple(
            ImagePrediction(image.name, "not_assessed", reason=reason) for image in study.images
        ),
    )
