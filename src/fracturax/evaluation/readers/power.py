"""Power and size of a planned reader study, from the variance components of a pilot."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.stats import f as fisher
from scipy.stats import ncf, ncx2, norm

from fracturax.core.errors import DataError
from fracturax.evaluation.readers.mrmc import (
    FIXED_READERS,
    INFERENCES,
    RANDOM,
    Inference,
)
from fracturax.evaluation.readers.result import ReaderAnalysis

MOST_CASES = 1_000_000
"""No study is planned with more."""


@dataclass(frozen=True)
class PilotComponents:
    """What a pilot tells a plan.

    Args:
        reader_by_treatment: Variance of the interaction; one below 0 counts as 0.
        error: Error variance with the cases of the pilot.
        cov1: Error covariance, same reader, two treatments.
        cov2: Error covariance, two readers, same treatment.
        cov3: Error covariance, two readers, two treatments.
        cases: How many cases (that count for the figure of merit) these belong to. With more of
            them, the last four shrink in proportion; the share of fractured cases stays.

    Raises:
        DataError: If the error variance is not positive, a covariance exceeds it, or there are no
            cases.
    """

    reader_by_treatment: float
    error: float
    cov1: float
    cov2: float
    cov3: float
    cases: int

    def __post_init__(self) -> None:
        numbers = (self.reader_by_treatment, self.error, self.cov1, self.cov2, self.cov3)
        if not all(math.isfinite(number) for number in numbers):
            raise DataError("a variance component is no finite number", got=str(numbers))
        if self.error <= 0 or max(self.cov1, self.cov2, self.cov3) > self.error:
            raise DataError(
                "the error variance must be positive, and no covariance may exceed it",
                got=f"{self.error} and {self.cov1}, {self.cov2}, {self.cov3}",
            )
        if self.cases < 1:
            raise DataError("variance components belong to cases", got=f"{self.cases} cases")

    @classmethod
    def of(cls, pilot: ReaderAnalysis) -> PilotComponents:
        """Take them from the analysis of a fully crossed pilot.

        Raises:
            DataError: If the pilot is not fully crossed, or has one reader or one treatment.
        """
        found = pilot.components
        if pilot.design != "fully crossed" or found.reader_by_treatment is None:
            raise DataError(
                "a plan needs a fully crossed pilot with readers and treatments",
                got=f"{pilot.design}, {pilot.readers} readers, {len(pilot.means)} treatments",
            )
        cases = pilot.fractured + pilot.healthy
        interaction = found.reader_by_treatment
        return cls(interaction, found.error, found.cov1, found.cov2, found.cov3, cases)


@dataclass(frozen=True)
class Power:
    """Power of a plan.

    Args:
        power: Chance that the test finds the effect.
        readers: How many.
        cases: How many.
        effect: The difference to find.
        noncentrality: Of the statistic under that difference.
        df2: Degrees of freedom of the denominator; None for chi-square.
        inference: What is random.
        alpha: Size of the two-sided test.
    """

    power: float
    readers: int
    cases: int
    effect: float
    noncentrality: float
    df2: float | None
    inference: str
    alpha: float

    @property
    def method(self) -> str:
        """How the number came to be."""
        return (
            f"Obuchowski-Rockette, {self.inference} (Hillis, Obuchowski & Berbaum 2011), "
            f"fully crossed, two treatments, two-sided at {self.alpha:g}"
        )


def power_of_plan(
    pilot: PilotComponents,
    *,
    readers: int,
    cases: int,
    effect: float,
    inference: Inference = RANDOM,
    alpha: float = 0.05,
) -> Power:
    """Return the power to find a difference between two treatments in a fully crossed study.

    Args:
        pilot: Variance components.
        readers: Of the planned study.
        cases: Of the planned study, with the pilot's share of fractured ones.
        effect: Difference of the mean figures of merit.
        inference: What is random.
        alpha: Size of the two-sided test.

    Raises:
        DataError: If the plan has too few readers or cases, the effect is 0 or no difference of
            shares, alpha is not in (0, 1), or the components leave no variance.

    References:
        Hillis, Obuchowski & Berbaum, Academic Radiology 18:129-142, 2011.

    Example:
        >>> pilot = PilotComponents(0.0002, 0.0008, 0.00034, 0.00034, 0.00024, cases=114)
        >>> round(power_of_plan(pilot, readers=8, cases=240, effect=0.04).power, 3)
        0.805
    """
    if inference not in INFERENCES:
        raise DataError("no such inference", got=repr(inference), cure="; ".join(INFERENCES))
    if readers < (1 if inference == FIXED_READERS else 2) or cases < 2:
        raise DataError(
            "a plan needs two readers (one where readers are fixed) and two cases",
            got=f"{readers} readers and {cases} cases",
        )
    if not 0 < abs(effect) < 1 or not 0 < alpha < 1:
        raise DataError(
            "effect and alpha must lie within (0, 1)", got=f"effect {effect}, alpha {alpha}"
        )
    shrink = pilot.cases / cases
    between = shrink * max(pilot.cov2 - pilot.cov3, 0.0)
    own = shrink * (pilot.error - pilot.cov1)
    interaction = max(pilot.reader_by_treatment, 0.0)
    if inference == FIXED_READERS:
        denominator, df2 = own + (readers - 1) * between, None
    else:
        square = interaction + own - between
        added = readers * between if inference == RANDOM else 0.0
        denominator = square + added
        if square <= 0:
            raise DataError(
                "the components leave no variance of reader by treatment",
                got=f"{square}",
                cure="take components of a larger pilot",
            )
        df2 = (readers - 1) * (denominator / square) ** 2
    if denominator <= 0:
        raise DataError("the components leave no variance", got=f"{denominator}")
    noncentrality = readers * effect**2 / 2 / denominator
    if df2 is None:
        critical = float(norm.isf(alpha / 2)) ** 2
        chance = float(ncx2.sf(critical, 1, noncentrality))
    else:
        chance = float(ncf.sf(fisher.isf(alpha, 1, df2), 1, df2, noncentrality))
    # The library loses the last digits where the power is 1.
    chance = 1.0 if math.isnan(chance) else min(max(chance, 0.0), 1.0)
    return Power(chance, readers, cases, effect, noncentrality, df2, inference, alpha)


def cases_for_power(
    pilot: PilotComponents,
    *,
    readers: int,
    power: float,
    effect: float,
    inference: Inference = RANDOM,
    alpha: float = 0.05,
) -> Power:
    """Return the plan with the smallest number of cases that reaches a power.

    Args:
        pilot: Variance components.
        readers: Of the planned study.
        power: Wanted, in (0, 1).
        effect: Difference to find.
        inference: What is random.
        alpha: Size of the two-sided test.

    Raises:
        DataError: If no number of cases reaches it, because these readers differ too much; and as
            `power_of_plan`.

    Example:
        >>> pilot = PilotComponents(0.0002, 0.0008, 0.00034, 0.00034, 0.00024, cases=114)
        >>> cases_for_power(pilot, readers=8, power=0.8, effect=0.04).cases
        236
    """
    if not 0 < power < 1:
        raise DataError("the wanted power must lie in (0, 1)", got=str(power))

    def reached(cases: int) -> Power:
        return power_of_plan(
            pilot, readers=readers, cases=cases, effect=effect, inference=inference, alpha=alpha
        )

    low, high = 2, 2
    while reached(high).power < power:
        if high >= MOST_CASES:
            raise DataError(
                f"no number of cases gives this power with {readers} readers",
                got=f"{reached(high).power:.4f} with {high:,} cases",
                cure="plan with more readers, or a larger effect",
            )
        low, high = high, min(2 * high, MOST_CASES)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle).power >= power else (middle, high)
    return reached(low) if reached(low).power >= power else reached(high)
