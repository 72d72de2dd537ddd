"""Films alike in all that is known of them: what a score may still tell apart is a shortcut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fracturax.core.case import Case


def anatomy_of(case: Case) -> tuple[str, ...]:
    """Return what a film is known to show besides its label: regions, views, hardware."""
    known = case.reference
    return (*known.regions, *known.views, *(["hardware"] if known.hardware else []))


def kinds_alike(cases: Sequence[Case]) -> npt.NDArray[np.intp]:
    """Number the kinds of films: one label, region and view, with hardware or without.

    Returns:
        The kind of each case, shape `(n,)`.
    """
    words = [f"{case.reference.fracture} {anatomy_of(case)}" for case in cases]
    numbers: npt.NDArray[np.intp] = np.unique(words, return_inverse=True)[1]
    return numbers
