"""The scope check: what is no radiograph of a limb, hip or shoulder is refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.anatomy import REGIONS, is_out_of_scope
from fracturax.core.image import Image, Radiograph

_SHORTEST_SIDE_PX = 96
_MOST_ELONGATED = 6.0
_LEAST_CONTRAST = 0.02
TRUNK_LIMIT = 0.5
"""Probability of hip and of shoulder above which a film shows both."""
_PROJECTION_MODALITIES = frozenset({"CR", "DX", "RF", "RG", "XA", "OT", "SC", "XC"})


def unsuitable_file(image: Image) -> str | None:
    """Return why an image cannot be assessed, as far as its file tells; None if it may be.

    Example:
        >>> unsuitable_file(Radiograph(np.zeros((300, 200), np.float32)))
        'the image is blank: its grey values hardly differ'
    """
    said = image.acquisition
    if not isinstance(image, Radiograph):
        return f"a cross-sectional {said.modality} image; this model reads radiographs"
    if said.modality not in _PROJECTION_MODALITIES:
        return f"the modality {said.modality} is no radiograph"
    if is_out_of_scope(said.body_part):
        return f"the body part {said.body_part!r} is no limb, hip or shoulder"
    return _unsuitable_pixels(image)


def _unsuitable_pixels(image: Radiograph) -> str | None:
    sides = sorted((image.rows, image.columns))
    if sides[0] < _SHORTEST_SIDE_PX:
        return f"the image is too small: {image.rows} x {image.columns} pixels"
    if sides[1] > _MOST_ELONGATED * sides[0]:
        return f"the image is a strip of {image.rows} x {image.columns} pixels"
    # Every 7th pixel is enough to see that nothing is there.
    sample = image.pixels[::7, ::7]
    low, high = np.percentile(sample, (0.5, 99.5))
    if high - low < _LEAST_CONTRAST:
        return "the image is blank: its grey values hardly differ"
    if image.acquisition.has_color:
        return "the image is coloured; a radiograph is grey"
    return None


def trunk_probability(regions: npt.NDArray[np.float64]) -> float:
    """Return how surely a film shows hip and shoulder: the lower probability of the two.

    Args:
        regions: Probabilities in the order of `REGIONS`.

    Example:
        >>> trunk_probability(np.array([0.1, 0.0, 0.9, 0.7]))
        0.7
    """
    return float(min(regions[REGIONS.index("hip")], regions[REGIONS.index("shoulder")]))


def unsuitable_regions(regions: npt.NDArray[np.float64]) -> str | None:
    """Return why a film is refused for the regions it shows, or None.

    Texture cannot tell a chest or an abdomen, which are bones in soft tissue too. But of films of
    a limb, hip or shoulder only a few, of small children, show hip and shoulder at once.

    Args:
        regions: Probabilities in the order of `REGIONS`.
    """
    if trunk_probability(regions) <= TRUNK_LIMIT:
        return None
    return "the image shows hip and shoulder at once, as a film of the trunk does"


@dataclass(frozen=True, eq=False)
class ScopeModel:
    """How far an image's features lie from those of the films the network knows.

    Of standardized features, the squared Mahalanobis distance within the leading principal
    components, plus the squared distance from their subspace over its typical value (Lee et al.,
    NeurIPS 2018; the residual as in Wang et al., "ViM", CVPR 2022).

    Args:
        mean: Mean of the features, shape `(features,)`.
        scale: Standard deviation of the features, shape `(features,)`.
        components: Orthonormal rows, shape `(k, features)`.
        spread: Standard deviation along each component, shape `(k,)`.
        residual_scale: Mean squared residual of the known films.
        limit: Largest distance that is still in scope.
    """

    mean: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    components: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    residual_scale: float
    limit: float

    def as_arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the model as arrays by name."""
        return {
            name: np.asarray(getattr(self, name), np.float32)
            for name in ("mean", "scale", "components", "spread", "residual_scale", "limit")
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.float32]]) -> ScopeModel:
        """Return what `as_arrays` gave."""
        return cls(
            mean=arrays["mean"],
            scale=arrays["scale"],
            components=arrays["components"],
            spread=arrays["spread"],
            residual_scale=float(arrays["residual_scale"]),
            limit=float(arrays["limit"]),
        )

    def distance(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the distance of features, shape `(..., features)`; known films lie near 1."""
        centered = (features - self.mean) / self.scale
        along = centered @ self.components.T
        inside = ((along / self.spread) ** 2).mean(axis=-1)
        residual = (centered**2).sum(axis=-1) - (along**2).sum(axis=-1)
        distance: npt.NDArray[np.float64] = (
            0.5 * (inside + np.maximum(residual, 0) / self.residual_scale)
        ).astype(np.float64)
        return distance

    def unsuitable(self, features: npt.NDArray[np.float32]) -> str | None:
        """Return why an image is refused, or None."""
        distance = float(self.distance(features))
        if distance <= self.limit:
            return None
        return (
            "the image does not look like a radiograph of a limb, hip or shoulder "
            f"(feature distance {distance:.1f}, limit {self.limit:.1f})"
        )


def fit_scope(features: npt.NDArray[np.float32], *, limit: float, rank: int = 48) -> ScopeModel:
    """Learn what the features of films in scope look like.

    Args:
        features: One row a film, shape `(films, features)`.
        limit: Largest distance to accept.
        rank: Components kept.
    """
    mean = features.mean(axis=0)
    scale = np.maximum(features.std(axis=0), 1e-6)
    centered = ((features - mean) / scale).astype(np.float64)
    _, singular, rows = np.linalg.svd(centered, full_matrices=False)
    rank = min(rank, len(rows))
    spread = np.maximum(singular[:rank] / np.sqrt(len(features)), 1e-6)
    residual = (singular[rank:] ** 2).sum() / len(features)
    return ScopeModel(
        mean=mean.astype(np.float32),
        scale=scale.astype(np.float32),
        components=rows[:rank].astype(np.float32),
        spread=spread.astype(np.float32),
        residual_scale=max(float(residual), 1e-9),
        limit=limit,
    )
