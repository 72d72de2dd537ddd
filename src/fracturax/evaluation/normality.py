"""Whether numbers look normal: Shapiro-Wilk for few of them, Lilliefors for many."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from fracturax.core.errors import DataError


@dataclass(frozen=True)
class NormalityTest:
    """Whether a sample may come from a normal distribution.

    Args:
        statistic: W of Shapiro-Wilk, or D of Lilliefors.
        p: P-value of its being normal.
        method: Name of the test.
    """

    statistic: float
    p: float
    method: str


def normality_test(values: npt.ArrayLike, *, shapiro_up_to: int = 50) -> NormalityTest:
    """Test numbers for normality by the test for their count.

    Args:
        values: Numbers, shape `(n,)`, at least 4, not all equal.
        shapiro_up_to: Shapiro-Wilk up to this count (at most 5,000, where its p-value ends),
            Kolmogorov-Smirnov with Lilliefors' correction beyond.

    Raises:
        DataError: If the numbers are too few, all equal or not finite, or the count is above
            5,000.

    References:
        Shapiro & Wilk, Biometrika 52:591-611, 1965; Lilliefors, JASA 62:399-402, 1967, with
        p-values of Dallal & Wilkinson, The American Statistician 40:294-296, 1986, below 0.1 and
        of Stephens, JASA 69:730-737, 1974, above.

    Example:
        >>> skewed = np.random.default_rng(0).exponential(size=200)
        >>> test = normality_test(skewed)
        >>> test.method, test.p < 0.001
        ('Kolmogorov-Smirnov (Lilliefors)', True)
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all() or np.unique(numbers).size < 2:
        raise DataError("a normality test needs finite numbers that differ", got=f"{numbers.shape}")
    if numbers.size < 4 or not 0 <= shapiro_up_to <= 5000:
        raise DataError(
            "a normality test needs four numbers and a limit of Shapiro-Wilk of at most 5000",
            got=f"{numbers.size} and {shapiro_up_to}",
        )
    if numbers.size <= shapiro_up_to:
        from scipy.stats import shapiro

        statistic, p = shapiro(numbers)
        return NormalityTest(float(statistic), float(p), "Shapiro-Wilk")
    ordered = ndtr((np.sort(numbers) - numbers.mean()) / numbers.std(ddof=1))
    steps = np.arange(numbers.size + 1) / numbers.size
    distance = float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))
    chance = _lilliefors_p(distance, numbers.size)
    return NormalityTest(distance, chance, "Kolmogorov-Smirnov (Lilliefors)")


def _lilliefors_p(distance: float, n: int) -> float:
    of_100, size = (distance, n) if n <= 100 else (distance * (n / 100) ** 0.49, 100)
    p = math.exp(
        -7.01256 * of_100**2 * (size + 2.78019)
        + 2.99587 * of_100 * math.sqrt(size + 2.78019)
        - 0.122119
        + 0.974598 / math.sqrt(size)
        + 1.67997 / size
    )
    if p <= 0.1:
        return p
    scaled = (math.sqrt(n) - 0.01 + 0.85 / math.sqrt(n)) * distance
    for limit, coefficients in _STEPHENS:
        if scaled <= limit:
            return min(max(float(np.polyval(coefficients, scaled)), 0.0), 1.0)
    return 0.0


# Polynomials of the scaled distance, each up to its limit; highest power first.
_STEPHENS = (
    (0.302, (1.0,)),
    (0.5, (81.218052, -138.55152, 80.709644, -19.828315, 2.76773)),
    (0.9, (-32.355711, 94.029866, -97.490286, 40.662806, -4.901232)),
    (1.31, (2.423045, -12.234627, 23.186922, -19.558097, 6.198765)),
)
