"""What a fusion's numbers mean: an answer, the shares of its streams, and what was generated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ModelError
from fracturax.core.prediction import OperatingPoints, Status
from fracturax.models.streams import STREAMS

_CLOSE = 1e-3


@dataclass(frozen=True)
class FusedAnswer:
    """The answer about one place.

    Args:
        status: `fracture`, `doubt` or `no_fracture`.
        probability: Calibrated, from what is present alone: nothing synthetic is in it.
        weights: Share of each present stream; their sum is 1.
        generated: Names of streams that were generated, synthetic; they have no share.

    Raises:
        ModelError: If the shares are no shares of known streams, or a generated stream has one.
    """

    status: Status
    probability: float
    weights: tuple[tuple[str, float], ...]
    generated: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [name for name, _ in self.weights]
        shares = [share for _, share in self.weights]
        if set(names) - set(STREAMS) or len(set(names)) != len(names):
            raise ModelError("a share is of a stream, once", got=", ".join(names))
        if min(shares, default=-1.0) < 0 or abs(sum(shares) - 1) > _CLOSE:
            raise ModelError("the shares of the streams sum to 1", got=f"{sum(shares):g}")
        if set(self.generated) & set(names) or set(self.generated) - set(STREAMS):
            raise ModelError(
                "what was generated is a stream that is absent", got=", ".join(self.generated)
            )


def settle(real: Status, completed: Status) -> Status:
    """Return the answer of what is present (`real`) and of it with generated features.

    Generated features were never seen in the patient. They may make an answer more careful, never
    surer: *doubt* stays *doubt*, and where they contradict, the answer becomes *doubt*.

    Example:
        >>> settle("doubt", "fracture"), settle("fracture", "no_fracture")
        ('doubt', 'doubt')
        >>> settle("fracture", "fracture")
        'fracture'
    """
    return real if real == completed else "doubt"


def answer_of(
    *,
    real: float,
    completed: float,
    weights: npt.NDArray[np.floating],
    points: OperatingPoints,
    generated: tuple[str, ...] = (),
) -> FusedAnswer:
    """Return the answer for one place.

    Args:
        real: Calibrated probability from what is present.
        completed: The same with generated features; equal where nothing was generated.
        weights: Share of each stream in the order of `STREAMS`, 0 where it is absent.
        points: Thresholds.
        generated: What was generated.

    Raises:
        ModelError: If the shares are none.

    Example:
        >>> points = OperatingPoints(0.2, 0.6)
        >>> shares = np.array([1.0, 0, 0, 0, 0])
        >>> answer = answer_of(
        ...     real=0.5, completed=0.9, weights=shares, points=points, generated=("ct",)
        ... )
        >>> answer.status, answer.probability, answer.weights
        ('doubt', 0.5, (('xray', 1.0),))
    """
    shares = tuple(
        (name, float(share)) for name, share in zip(STREAMS, weights, strict=True) if share > 0
    )
    status = settle(points.status(real), points.status(completed))
    return FusedAnswer(status, real, shares, generated)
