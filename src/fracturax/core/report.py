"""A Report: a study, what was answered about it, and how the answer came to be."""

from __future__ import annotations

from dataclasses import dataclass

from fracturax.core.image import Image
from fracturax.core.prediction import Prediction
from fracturax.core.study import Study

RESEARCH_USE_NOTICE = (
    "Research use only. Not a medical device; not cleared or certified for diagnosis. "
    "A qualified reader must review every image."
)


@dataclass(frozen=True, eq=False)
class Report:
    """Everything the written forms need; they add nothing and leave nothing out.

    Args:
        study: What was read.
        prediction: What was answered.
        created_at: Time of reading, ISO 8601 with offset.
        software: Name and version of this software.
        is_synthetic: Whether the images are generated, as in the example study; said wherever
            the report shows.
    """

    study: Study
    prediction: Prediction
    created_at: str
    software: str
    is_synthetic: bool = False

    @property
    def decisive_image(self) -> Image | None:
        """The image that the answer comes from; None where nothing was assessed."""
        name = self.prediction.decisive_image
        return next((one for one in self.study.images if one.name == name), None)
