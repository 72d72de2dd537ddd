"""Raw answers of a radiograph model for tests that read no film."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fracturax.core.anatomy import REGIONS
from fracturax.core.geometry import Box
from fracturax.models.runtime import RawAnswer

BOX = Box(0, 0, 4, 4)


def raw_answer(values: dict[str, float], **others: object) -> RawAnswer:
    """Return an answer with these image values; its better box is `BOX`."""
    plain = RawAnswer(
        values=values,
        boxes=np.array([BOX.as_tuple(), (20.0, 20.0, 30.0, 30.0)]),
        box_values={"box": np.array([1.0, -1.0])},
        box_logits=np.array([1.0, -1.0]),
        heat=np.zeros((2, 2), np.float32),
        extent=BOX,
        region_probabilities=np.zeros(len(REGIONS)),
        hardware_probability=0.0,
        embedding=np.zeros(2, np.float32),
        texture=np.zeros(2, np.float32),
    )
    return replace(plain, **others)  # type: ignore[arg-type]
