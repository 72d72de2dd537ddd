"""What failures have in common, against a published example."""

from __future__ import annotations

import numpy as np
import pytest

from fracturax.core.errors import DataError
from fracturax.evaluation.failures import common_traits


def test_the_lady_tasting_tea() -> None:
    # Fisher's tea tasting by R's fisher.test, two-sided: p 0.4857, odds ratio 6.408309, 95 %
    # interval 0.2117329 to 621.9337505. SciPy's search for the ends is a little coarser.
    failed = np.array([True] * 4 + [False] * 4)
    poured = ["milk"] * 3 + ["tea"] + ["milk"] + ["tea"] * 3
    milk, tea = common_traits(failed, {"first": poured}, smallest=4)
    assert (milk.failed, milk.failures, milk.right, milk.others) == (3, 4, 1, 4)
    assert milk.odds_ratio == pytest.approx(6.408309, rel=1e-4)
    assert (milk.low, milk.high) == pytest.approx((0.2117329, 621.9337505), rel=0.01)
    assert milk.p == pytest.approx(2 * 0.4857143, abs=1e-6)  # Holm: two traits were tested
    assert tea.odds_ratio == pytest.approx(1 / 6.408309, rel=1e-4)


def test_a_trait_that_hardly_any_has_is_not_tested() -> None:
    failed = np.arange(100) < 30
    rare = ["rare"] * 4 + ["common"] * 96
    assert common_traits(failed, {"kind": rare}) == ()


@pytest.mark.parametrize("failed", [np.zeros(20, bool), np.ones(20, bool)])
def test_without_both_kinds_there_is_nothing_to_compare(failed: np.ndarray) -> None:
    with pytest.raises(DataError, match="failures and the rest"):
        common_traits(failed, {"view": ["ap"] * 20})


def test_a_column_of_another_length_is_named() -> None:
    with pytest.raises(DataError, match="'view' has another length; got 3 values for 20 cases"):
        common_traits(np.arange(20) < 5, {"view": ["ap"] * 3})
