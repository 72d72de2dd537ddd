"""Registration by mutual information: what the grey values of one image tell of the other's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from fracturax.core.errors import MissingExtraError
from fracturax.transforms.registration import Freedom, Matrix
from fracturax.transforms.transform import Values

_COARSE_PX = 64
_TURNS_DEGREES = tuple(range(0, 360, 30))
_STARTS = 3
_BINS = 32
_MOST_SAMPLES = 60_000


@dataclass(frozen=True, eq=False)
class View:
    """An image at the size it is worked on.

    Args:
        pixels: Values in [0, 1], shape `(rows, columns)`.
        spacing_mm: Of rows and columns there, in mm or any unit that both images share.
    """

    pixels: Values
    spacing_mm: tuple[float, float]

    def shrunk(self, longest: int) -> View:
        """Return the image with its longest side at most so many pixels."""
        scale = min(1.0, longest / max(self.pixels.shape))
        if scale == 1:
            return self
        shape = [max(4, round(side * scale)) for side in self.pixels.shape]
        small = cv2.resize(self.pixels, shape[::-1], interpolation=cv2.INTER_AREA)
        rows, columns = np.multiply(self.spacing_mm, self.pixels.shape) / shape
        return View(np.asarray(small, np.float32), (float(rows), float(columns)))


def find_starts(moving: View, fixed: View, *, seed: int) -> list[Matrix]:
    """Return the rigid movements with the most mutual information, from turns all around.

    Args:
        moving: What is moved.
        fixed: What stays.
        seed: Of the pixels that are sampled.

    Returns:
        Up to three matrices from `(row, column, 1)` of the moving image to the fixed one, in mm
        from the outer edges; shape (3, 3); the best first.

    Raises:
        MissingExtraError: If SimpleITK is not installed.
    """
    sitk = _library()
    # Air goes on around the image: else an overlap of a few alike pixels would count as best.
    there = _placed(sitk, moving.shrunk(_COARSE_PX), is_padded=True)
    here = _placed(sitk, fixed.shrunk(_COARSE_PX))
    middles = [_middle(sitk, image) for image in (there, here)]
    tried = []
    for degrees in _TURNS_DEGREES:
        start = sitk.Euler2DTransform()
        start.SetCenter(middles[1])
        start.SetTranslation([a - b for a, b in zip(*middles, strict=True)])
        start.SetAngle(math.radians(degrees))
        tried.append(_optimize(sitk, there, here, start, seed=seed, rounds=40))
    tried.sort(key=lambda one: one[0])
    return [_matrix(movement) for _, movement in tried[:_STARTS]]


def refine(
    moving: View, fixed: View, start: Matrix, *, freedom: Freedom, rounds: int, seed: int
) -> Matrix:
    """Return the movement near a start that gives two images the most mutual information.

    Args:
        moving: What is moved.
        fixed: What stays.
        start: As `find_starts` returns it.
        freedom: `rigid` or `affine`.
        rounds: Most steps of the optimizer.
        seed: Of the pixels that are sampled.

    Returns:
        A matrix like `start`.

    Raises:
        MissingExtraError: If SimpleITK is not installed.

    References:
        Mattes et al., "PET-CT image registration in the chest using free-form deformations",
        IEEE TMI 22 (2003) 120. Viola and Wells, IJCV 24 (1997) 137.
    """
    sitk = _library()
    movement = _movement(sitk, start, freedom, np.multiply(fixed.pixels.shape, fixed.spacing_mm))
    images = _placed(sitk, moving), _placed(sitk, fixed)
    _, found = _optimize(sitk, *images, movement, seed=seed, rounds=rounds)
    return _matrix(found)


def _library() -> Any:
    try:
        import SimpleITK
    except ModuleNotFoundError as error:
        raise MissingExtraError("imaging", verb="register") from error
    return SimpleITK


def _placed(sitk: Any, view: View, *, is_padded: bool = False) -> Any:
    """Return an image of the library, placed by its outer edges, `(x, y)`."""
    smooth = np.asarray(cv2.GaussianBlur(view.pixels, (0, 0), 1.0), np.float32)
    border = max(smooth.shape) // 2 if is_padded else 0
    image = sitk.GetImageFromArray(np.pad(smooth, border))
    sizes = view.spacing_mm[::-1]
    image.SetSpacing(sizes)
    image.SetOrigin([size * (0.5 - border) for size in sizes])
    return image


def _middle(sitk: Any, image: Any) -> list[float]:
    """Return the centroid of the edges in an image, in its units, `(x, y)`."""
    edges = sitk.GetArrayFromImage(sitk.GradientMagnitude(image)).astype(np.float64)
    rows, columns = np.indices(edges.shape)
    total = max(float(edges.sum()), 1e-9)
    place = [float((axis * edges).sum() / total) for axis in (columns, rows)]
    return list(image.TransformContinuousIndexToPhysicalPoint(place))


def _movement(sitk: Any, matrix: Matrix, freedom: Freedom, extent: Matrix) -> Any:
    """Return a matrix as a movement of the library, which leads from the fixed to the moving."""
    back = np.linalg.inv(matrix)[np.ix_([1, 0, 2], [1, 0, 2])]
    middle = extent[::-1] / 2
    movement = sitk.Euler2DTransform() if freedom == "rigid" else sitk.AffineTransform(2)
    movement.SetCenter(middle.tolist())
    if freedom == "rigid":
        movement.SetAngle(math.atan2(back[1, 0] - back[0, 1], back[0, 0] + back[1, 1]))
    else:
        movement.SetMatrix(back[:2, :2].ravel().tolist())
    movement.SetTranslation((back[:2, :2] @ middle + back[:2, 2] - middle).tolist())
    return movement


def _optimize(
    sitk: Any, moving: Any, fixed: Any, start: Any, *, seed: int, rounds: int
) -> tuple[float, Any]:
    """Return the metric, less being better, and the movement it was reached with."""
    step = max(fixed.GetSpacing())
    method = sitk.ImageRegistrationMethod()
    # Sums over several threads are added in any order: one gives the same result every time.
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsMattesMutualInformation(_BINS)
    pixels = fixed.GetNumberOfPixels()
    if pixels > _MOST_SAMPLES:
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(_MOST_SAMPLES / pixels, seed)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2 * step,
        minStep=0.005 * step,
        numberOfIterations=rounds,
        relaxationFactor=0.6,
        gradientMagnitudeTolerance=1e-8,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    movement = type(start)(start)
    method.SetInitialTransform(movement, True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:
        # From this start the images do not meet.
        return math.inf, start
    return float(method.GetMetricValue()), movement


def _matrix(movement: Any) -> Matrix:
    """Return the way from moving to fixed of a movement that leads from fixed to moving."""
    origin = np.array(movement.TransformPoint((0.0, 0.0)))
    sides = [np.array(movement.TransformPoint(unit)) - origin for unit in ((1.0, 0.0), (0.0, 1.0))]
    back = np.eye(3)
    back[:2, :2] = np.stack(sides, axis=1)
    back[:2, 2] = origin
    return np.asarray(np.linalg.inv(back[np.ix_([1, 0, 2], [1, 0, 2])]), np.float64)
