"""Labels of marks on a film: two on one spot cannot be read, so that of the weaker is left out."""

from __future__ import annotations

from collections.abc import Iterable

Spot = tuple[float, float, float, float]
"""Where a label lies: left, top, right and bottom."""


def readable(spots: Iterable[Spot]) -> list[bool]:
    """Return which labels can be shown, so that none lies over another.

    Args:
        spots: In order; an earlier one gives way to none.

    Example:
        >>> readable([(0, 0, 10, 4), (5, 2, 15, 6), (10, 0, 20, 4)])
        [True, False, True]
    """
    taken: list[Spot] = []
    shown = []
    for spot in spots:
        is_free = not any(_overlap(spot, other) for other in taken)
        shown.append(is_free)
        if is_free:
            taken.append(spot)
    return shown


def _overlap(one: Spot, other: Spot) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
