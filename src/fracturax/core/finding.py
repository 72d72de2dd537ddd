"""A Finding: one place in one image where the model sees a fracture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fracturax.core.anatomy import Region
from fracturax.core.errors import ModelError
from fracturax.core.geometry import Box

Certainty = Literal["certain", "doubt"]


@dataclass(frozen=True)
class Finding:
    """One suspected fracture.

    Args:
        image: Name of the image of the study it lies in.
        box: Where, in pixels of the original image.
        score: The detector's own score in [0, 1]; ranks findings, is no probability.
        probability: Calibrated probability that a fracture lies in the box.
        certainty: `certain` (drawn solid) reaches the high-specificity point, `doubt` (dotted)
            only the high-sensitivity point.
        region: Part of the body, where the model knows it.

    Raises:
        ModelError: If score or probability lies outside [0, 1].
    """

    image: str
    box: Box
    score: float
    probability: float
    certainty: Certainty
    region: Region | None = None

    def __post_init__(self) -> None:
        for name in ("score", "probability"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ModelError(f"the {name} of a finding lies outside [0, 1]")
