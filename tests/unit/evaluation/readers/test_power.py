"""Power against published plans on the Van Dyke pilot, closed limits and independent formulas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.power import TTestPower

from fracturax.core.errors import DataError
from fracturax.evaluation.readers import (
    FIXED_CASES,
    FIXED_READERS,
    Auc,
    PilotComponents,
    analyse,
    cases_for_power,
    crossed_study,
    power_of_plan,
)

# Empirical AUC, jackknife, of Van Dyke's study: 5 readers, 114 cases, 2 treatments.
VAN_DYKE = PilotComponents(
    reader_by_treatment=0.00020040252358145797,
    error=0.0008022882655720676,
    cov1=0.00034661370944073333,
    cov2=0.0003440748288608906,
    cov3=0.00023902837089215481,
    cases=114,
)
EFFECT = 0.04380032206119144


def test_power_is_the_published_one() -> None:
    """RJafroc's SsPowerGivenJK on the same data: to all digits it prints."""
    found = power_of_plan(VAN_DYKE, readers=6, cases=111, effect=EFFECT)
    assert f"{found.power:.7f}" == "0.5526116"
    found = power_of_plan(VAN_DYKE, readers=6, cases=112, effect=EFFECT)
    assert f"{found.power:.7f}" == "0.5555789"
    assert (f"{found.noncentrality:.2f}", f"{found.df2:.1f}") == ("4.80", "23.1")


@pytest.mark.parametrize(
    ("readers", "power", "cases"),
    [(4, 0.8, 1089), (5, 0.8, 344), (6, 0.8, 251), (7, 0.8, 211), (10, 0.8, 163), (10, 0.9, 236)],
)
def test_fewest_cases_are_the_published_ones(readers, power, cases) -> None:
    found = cases_for_power(VAN_DYKE, readers=readers, power=power, effect=EFFECT)
    assert found.cases == cases
    fewer = power_of_plan(VAN_DYKE, readers=readers, cases=cases - 1, effect=EFFECT)
    assert fewer.power < power <= found.power


def test_without_an_effect_worth_the_name_power_is_the_size() -> None:
    for inference in (FIXED_READERS, FIXED_CASES, "random readers and cases"):
        found = power_of_plan(VAN_DYKE, readers=6, cases=200, effect=1e-9, inference=inference)
        assert found.power == pytest.approx(0.05, abs=1e-6)


def test_with_fixed_readers_it_is_the_power_of_a_z_test() -> None:
    found = power_of_plan(VAN_DYKE, readers=6, cases=200, effect=0.03, inference=FIXED_READERS)
    p = VAN_DYKE
    error = np.sqrt(2 / 6 * 114 / 200 * (p.error - p.cov1 + 5 * (p.cov2 - p.cov3)))
    expected = norm.sf(norm.isf(0.025) - 0.03 / error) + norm.cdf(-norm.isf(0.025) - 0.03 / error)
    assert found.power == pytest.approx(expected)


def test_with_cases_without_end_only_readers_vary() -> None:
    """The limit is the paired t-test of readers with the interaction's variance."""
    spread = np.sqrt(2 * VAN_DYKE.reader_by_treatment)
    expected = TTestPower().power(EFFECT / spread, nobs=6, alpha=0.05)
    found = power_of_plan(VAN_DYKE, readers=6, cases=10**9, effect=EFFECT)
    assert found.power == pytest.approx(expected, abs=1e-4)
    with pytest.raises(DataError, match="no number of cases gives this power with 2 readers"):
        cases_for_power(VAN_DYKE, readers=2, power=0.9, effect=0.02)


def test_power_grows_with_readers_cases_and_effect() -> None:
    def power(**changed):
        return power_of_plan(
            VAN_DYKE, **{"readers": 6, "cases": 150, "effect": 0.04} | changed
        ).power

    assert power() < power(readers=7)
    assert power() < power(cases=160)
    assert power() < power(effect=0.05)
    assert power(effect=-0.04) == power()
    assert power(alpha=0.01) < power()


def test_components_come_from_a_crossed_pilot() -> None:
    generator = np.random.default_rng(0)
    truth = np.arange(60) % 2
    ratings = truth + generator.normal(0, 1, (2, 4, 60))
    found = analyse(crossed_study(ratings, truth), Auc())
    pilot = PilotComponents.of(found)
    assert (pilot.cases, pilot.cov1) == (60, found.components.cov1)
    with pytest.raises(DataError, match="fully crossed pilot"):
        PilotComponents.of(analyse(crossed_study(ratings[:1], truth), Auc()))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"readers": 1}, "two readers"),
        ({"effect": 0.0}, "effect"),
        ({"effect": 5.0}, "effect"),
        ({"alpha": 1.0}, "alpha"),
    ],
)
def test_impossible_plans_are_refused(changed, message) -> None:
    with pytest.raises(DataError, match=message):
        power_of_plan(VAN_DYKE, **{"readers": 6, "cases": 150, "effect": 0.04} | changed)


def test_impossible_components_are_refused() -> None:
    with pytest.raises(DataError, match="no covariance may exceed it"):
        PilotComponents(0.0, 0.001, 0.002, 0.0, 0.0, 100)
    with pytest.raises(DataError, match="belong to cases"):
        PilotComponents(0.0, 0.001, 0.0, 0.0, 0.0, 0)
