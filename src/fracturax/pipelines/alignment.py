"""Align: what was fitted on the networks of the folds is made to fit the one that ships.

Calibration and thresholds come from fold networks and films they never saw; another network ships,
trained on all films. Networks of one recipe differ in level: the same threshold may call half as
many healthy films again suspicious. So where the shipped network finds more healthy films
suspicious than the fold networks did out of fold, its intercept is moved down until it does not. It
learned from these films, which can only have lowered its values on healthy ones: being higher is
level, being lower may be memory, and is left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from fracturax.models.bundle import Manifest
from fracturax.models.runtime import RawAnswer
from fracturax.pipelines.out_of_fold import NORMALS_WITH_DOTTED, strongest_box


@dataclass(frozen=True)
class Alignment:
    """How far the intercepts of a shipped network were moved, in log-odds.

    Args:
        image: Of the probability of an image; 0 or less.
        box: Of the probability of a box; 0 or less.
        suspicious: Share of healthy films at or above the image's high-sensitivity point, out of
            fold.
        before: That share of the shipped network before the move.
    """

    image: float
    box: float
    suspicious: float
    before: float

    def into(self, manifest: Manifest) -> Manifest:
        """Return the manifest with the intercepts moved, and the moves among its facts."""
        calibration, boxes = manifest.calibration, manifest.box_calibration
        facts = (
            ("calibration_moved_by", f"{self.image:.3f}"),
            ("box_calibration_moved_by", f"{self.box:.3f}"),
            ("suspicious_healthy_before", f"{self.before:.3f}"),
            ("suspicious_healthy", f"{self.suspicious:.3f}"),
        )
        return replace(
            manifest,
            calibration=replace(calibration, intercept=calibration.intercept + self.image),
            box_calibration=replace(boxes, intercept=boxes.intercept + self.box),
            training=(*manifest.training, *facts),
        )


def align(manifest: Manifest, healthy: Sequence[RawAnswer], *, suspicious: float) -> Alignment:
    """Find how far the intercepts of a shipped network have to be moved.

    Args:
        manifest: Its calibrations and operating points, as the fold networks gave them.
        healthy: Its raw answers about healthy films.
        suspicious: Share of healthy films that lay at or above the high-sensitivity point out of
            fold.
    """
    images = np.array([manifest.calibration.log_odds(one.values) for one in healthy])
    boxes = np.array([strongest_box(one, manifest.box_calibration) for one in healthy])
    point = logit(manifest.operating_points.high_sensitivity)
    box_point = logit(manifest.box_operating_points.high_sensitivity)
    return Alignment(
        image=_move(images, suspicious, to=point),
        box=_move(logit(np.clip(boxes, 1e-12, 1 - 1e-12)), NORMALS_WITH_DOTTED, to=box_point),
        suspicious=suspicious,
        before=float((images >= point).mean()),
    )


def _move(values: npt.NDArray[np.float64], share: float, *, to: float) -> float:
    """Return by how much to move log-odds until no more than a share lies at or above a point."""
    now = float(np.quantile(values, 1 - share))
    return to - now if np.isfinite([to, now]).all() and to < now else 0.0
