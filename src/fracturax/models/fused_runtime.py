"""A fusion on ONNX Runtime: crops of films to features, and all streams of places to answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load

from fracturax.core.errors import ModelError
from fracturax.models.catalog import FUSIONS
from fracturax.models.fused_answer import FusedAnswer, answer_of
from fracturax.models.fused_bundle import (
    FILM_GRAPH,
    FILM_OUTPUTS,
    GRAPH,
    LOGIT,
    NUMBERS,
    FusedBundle,
)
from fracturax.models.session import OnnxRuntimeSession
from fracturax.models.streams import INPUTS, STREAMS
from fracturax.transforms.detail import with_detail

FUSED_OUTPUTS = ("logits", "real_logits", "weights", "xray_where", "ct_where")
_BATCH = 64
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Streams:
    """What is known of places, stream by stream.

    Args:
        features: By stream, shape `(n, d)`; a row of NaN is a stream that is absent at that place,
            and so is a stream that is not here.
        xray_map: The X-ray stream's own map, shape `(n, h, w)`; zeros where there is none.
        ct_map: The CT stream's own map, shape `(n, d, h, w)`; zeros where there is none.

    Raises:
        ModelError: If a stream is unknown, a place has none, or the arrays do not fit.
    """

    features: Mapping[str, Floats]
    xray_map: Floats
    ct_map: Floats
    present: npt.NDArray[np.bool_] = field(init=False)
    """Which streams are there, shape `(n, 5)`."""

    def __post_init__(self) -> None:
        count = len(self.xray_map)
        unknown = [name for name in self.features if name not in STREAMS]
        sizes = [len(self.ct_map), *(len(one) for one in self.features.values())]
        if unknown or any(size != count for size in sizes):
            raise ModelError(
                "streams are known ones, of the same places",
                got=", ".join(unknown) or f"{[count, *sizes]} places",
            )
        there = np.zeros((count, len(STREAMS)), bool)
        for name, values in self.features.items():
            there[:, STREAMS.index(name)] = np.isfinite(values).all(axis=1)
        if not there.any(axis=1).all():
            raise ModelError("a place has no stream at all", got=f"{count} places")
        object.__setattr__(self, "present", there)

    def names(self, place: int) -> tuple[str, ...]:
        """Return the streams that are present at a place."""
        return tuple(
            name for name, there in zip(STREAMS, self.present[place], strict=True) if there
        )


@dataclass(frozen=True, eq=False)
class FilmSaid:
    """What the X-ray stream says of crops.

    Args:
        logit: Of a fracture, shape `(n,)`.
        features: What the fusion takes: the network's, then the crops' detail; shape `(n, d)`.
        map: Logit of a fracture cell by cell, shape `(n, h, w)`.
    """

    logit: Floats
    features: Floats
    map: Floats


@dataclass(frozen=True, eq=False)
class FusedRaw:
    """What a fusion says of places, before calibration.

    Args:
        logit: Log-odds of a fracture; generated features take part; shape `(n,)`.
        real_logit: The same from what is present alone.
        weights: Share of each stream, shape `(n, 5)`.
        xray_where: Logit of a fracture, cell by cell of the crop.
        ct_where: The same of the cube.
    """

    logit: Floats
    real_logit: Floats
    weights: Floats
    xray_where: Floats
    ct_where: Floats


class FusedNetwork:
    """The graphs of a fusion's bundle; thread-safe.

    Args:
        bundle: A verified bundle.
        threads: Threads of one inference; 0 takes all cores.

    Raises:
        ModelError: If ONNX Runtime refuses a graph, or the background of radiomics is damaged.
    """

    def __init__(self, bundle: FusedBundle, *, threads: int = 0) -> None:
        self.bundle = bundle
        self._fusion = OnnxRuntimeSession((bundle.folder / GRAPH).read_bytes(), threads)
        self._film = OnnxRuntimeSession((bundle.folder / FILM_GRAPH).read_bytes(), threads)
        self.background: dict[str, Floats] = {
            name: np.asarray(values, np.float32)
            for name, values in load((bundle.folder / NUMBERS).read_bytes()).items()
        }
        """Radiomics of some training places, by stream, shape `(k, d)`."""

    def film(self, crops: Floats) -> FilmSaid:
        """Return what the X-ray stream says of crops in [0, 1], shape `(n, rows, columns)`."""
        parts = [
            self._film.run(FILM_OUTPUTS, {"films": crops[start : start + _BATCH, None]})
            for start in range(0, len(crops), _BATCH)
        ]
        logit, features, maps = (np.concatenate(part) for part in zip(*parts, strict=True))
        return FilmSaid(logit, with_detail(features, crops), maps)

    def fuse(self, streams: Streams) -> FusedRaw:
        """Return what the fusion says of places."""
        count = len(streams.present)
        vectors = [
            np.nan_to_num(streams.features[name]) if name in streams.features
            else np.zeros((count, size), np.float32)
            for name, size in zip(STREAMS, self.bundle.manifest.sizes.as_tuple(), strict=True)
        ]  # fmt: skip
        inputs = dict(
            zip(
                INPUTS,
                [*vectors, streams.present, streams.xray_map, streams.ct_map],
                strict=True,
            )
        )
        logits, real, weights, xray, ct = self._fusion.run(FUSED_OUTPUTS, inputs)
        return FusedRaw(logits[:, 1] - logits[:, 0], real[:, 1] - real[:, 0], weights, xray, ct)

    def answers(self, streams: Streams, raw: FusedRaw) -> list[FusedAnswer]:
        """Return the calibrated answer about each place.

        Raises:
            ModelError: If a place has a subset of streams that was never calibrated.
        """
        manifest = self.bundle.manifest
        found = []
        for place in range(len(raw.logit)):
            names = streams.names(place)
            calibration = manifest.calibration_of(names)
            real, completed = (
                calibration.probability({LOGIT: float(one[place])})
                for one in (raw.real_logit, raw.logit)
            )
            found.append(
                answer_of(
                    real=real,
                    completed=completed,
                    weights=raw.weights[place],
                    points=manifest.place_operating_points,
                    generated=self._generated(names),
                )
            )
        return found

    def _generated(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return what is generated where these streams are present."""
        if not FUSIONS[self.bundle.manifest.fusion].is_generative:
            return ()
        missing = {"xray", "ct"} - set(names)
        return tuple(missing) if len(missing) == 1 else ()
