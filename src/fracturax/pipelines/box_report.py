"""What the boxes of a model are worth, beside a table of its predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fracturax.evaluation.localization import (
    FrocCurve,
    ImageDetections,
    afroc_area,
    free_response,
    froc,
    match_images,
)
from fracturax.evaluation.result import Evaluation, Row
from fracturax.evaluation.summary import evaluate_table
from fracturax.evaluation.table import PredictionTable

_OF_BOXES = ("map", "froc")


@dataclass(frozen=True, eq=False)
class BoxReport:
    """What the boxes are worth.

    Args:
        numbers: Average precision and FROC sensitivities.
        froc: The FROC curve; None where the boxes themselves were not kept.
    """

    numbers: Evaluation
    froc: FrocCurve | None

    @classmethod
    def of_numbers(cls, evaluation: Mapping[str, Any]) -> BoxReport | None:
        """Take the numbers from the document of an evaluation; None where it has none of boxes."""
        rows = [
            Row(**row) for row in evaluation["rows"] if str(row["metric"]).startswith(_OF_BOXES)
        ]
        return cls(Evaluation(tuple(rows)), None) if rows else None

    @classmethod
    def of(
        cls,
        table: PredictionTable,
        images: Sequence[ImageDetections],
        *,
        resamples: int = 1000,
        seed: int = 0,
    ) -> BoxReport | None:
        """Measure boxes; None where nobody marked a fracture.

        Args:
            table: Predictions of the images.
            images: The boxes of every image that was assessed, in the order of the table.
            resamples: Bootstrap resamples of patients.
            seed: Seed of the resampling.

        Raises:
            DataError: If the boxes do not fit the table, or there are too few patients.
        """
        if not any(image.reference_count for image in images):
            return None
        evaluation = evaluate_table(table, images, resamples=resamples, seed=seed)
        rows = [row for row in evaluation.rows if row.metric.startswith(_OF_BOXES)]
        is_marked = np.array([image.reference is not None for image in images])
        marked = [image for image in images if image.reference is not None]
        patients = table.patient_key[table.is_assessed][is_marked]
        response = free_response(match_images(marked, thresholds=(0.5,)))
        for weighted in (False, True):
            generator = np.random.default_rng(seed)
            rows.append(
                afroc_area(
                    response, patients, generator=generator, weighted=weighted, resamples=resamples
                )
            )
        return cls(Evaluation(tuple(rows)), froc(marked))
