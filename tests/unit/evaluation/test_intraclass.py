"""The intraclass correlation against a published example, statsmodels and known variances."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import mixedlm, ols
from statsmodels.stats.anova import anova_lm

from fracturax.core.errors import DataError
from fracturax.evaluation.intraclass import intraclass_correlation

# Shrout & Fleiss 1979, table 2: four judges of six targets. Values: their table 4; intervals: as
# R's psych::ICC prints them for the same table.
JUDGED = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
)
PUBLISHED = {
    "1,1": (0.17, -0.133, 0.72),
    "2,1": (0.29, 0.019, 0.76),
    "3,1": (0.71, 0.342, 0.95),
}
FORMS = tuple(PUBLISHED)
# McGraw & Wong 1996, table 6: two readings of ten cases. Numbers: as R's DescTools prints them.
PAIRS = np.array(
    [[103, 119], [82, 65], [116, 106], [102, 102], [99, 105], [98, 100], [104, 107], [62, 85],
     [97, 101], [107, 110]]
)  # fmt: skip
OF_PAIRS = {
    "1,1": (0.722, 0.241, 0.922),
    "2,1": (0.720, 0.228, 0.922),
    "3,1": (0.714, 0.197, 0.920),
}


def drawn(seed: int, cases: int, count: int, *, between: float, readers: float = 0.0) -> np.ndarray:
    """Readings with noise of variance 1 and these variances between cases and between readers."""
    generator = np.random.default_rng(seed)
    return np.asarray(
        generator.normal(0, between**0.5, (cases, 1))
        + generator.normal(0, readers**0.5, (1, count))
        + generator.normal(0, 1, (cases, count))
    )


def long(readings: np.ndarray) -> pd.DataFrame:
    case, reader = np.indices(readings.shape)
    return pd.DataFrame({"y": readings.ravel(), "case": case.ravel(), "reader": reader.ravel()})


@pytest.mark.parametrize("form", FORMS)
def test_shrout_and_fleiss_example(form) -> None:
    row = intraclass_correlation(JUDGED, form=form)
    value, low, high = PUBLISHED[form]
    assert row.value == pytest.approx(value, abs=0.005)
    assert row.low == pytest.approx(low, abs=0.0005)
    assert row.high == pytest.approx(high, abs=0.005)
    assert (row.metric, row.n) == (f"ICC({form})", 6)


@pytest.mark.parametrize("form", FORMS)
def test_mcgraw_and_wong_example(form) -> None:
    row = intraclass_correlation(PAIRS, form=form)
    assert (row.value, row.low, row.high) == pytest.approx(OF_PAIRS[form], abs=0.0005)


@pytest.mark.parametrize("seed", range(3))
def test_one_way_is_the_share_of_variance_of_a_mixed_model(seed) -> None:
    readings = drawn(seed, 12, 4, between=3)
    fit = mixedlm("y ~ 1", long(readings), groups="case").fit(reml=True)
    share = fit.cov_re.iloc[0, 0] / (fit.cov_re.iloc[0, 0] + fit.scale)
    assert intraclass_correlation(readings).value == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_two_way_forms_follow_from_the_variance_components_of_statsmodels(seed) -> None:
    cases, count = 9, 5
    readings = drawn(seed, cases, count, between=2, readers=0.5)
    table = anova_lm(ols("y ~ C(case) + C(reader)", long(readings)).fit())
    of_case, of_reader, rest = table["sum_sq"] / table["df"]
    of_case, of_reader = (of_case - rest) / count, (of_reader - rest) / cases
    agreement = of_case / (of_case + of_reader + rest)
    consistency = of_case / (of_case + rest)
    assert intraclass_correlation(readings, form="2,1").value == pytest.approx(agreement)
    assert intraclass_correlation(readings, form="3,1").value == pytest.approx(consistency)


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("form", "freedom"), [("1,1", 8 * 3), ("3,1", 7 * 3)])
def test_the_ends_are_where_the_f_test_just_rejects(form, freedom, level) -> None:
    readings = drawn(5, 8, 4, between=1, readers=0.0)
    row = intraclass_correlation(readings, form=form, level=level)
    table = anova_lm(
        ols("y ~ C(case)" + (" + C(reader)" if form == "3,1" else ""), long(readings)).fit()
    )
    observed = table.loc["C(case)", "F"]
    for end, tail in ((row.low, stats.f.sf), (row.high, stats.f.cdf)):
        ratio = (1 + 3 * end) / (1 - end)  # of the expected mean squares at this correlation
        assert tail(observed / ratio, 7, freedom) == pytest.approx((1 - level) / 2)


@pytest.mark.parametrize(
    ("form", "readers", "truth"), [("1,1", 0.0, 0.75), ("3,1", 1.0, 0.75), ("2,1", 0.2, 3 / 4.2)]
)
def test_intervals_cover_as_often_as_they_say(form, readers, truth) -> None:
    rows = [
        intraclass_correlation(drawn(seed, 10, 6, between=3, readers=readers), form=form)
        for seed in range(1500)
    ]
    covered = np.mean([row.low <= truth <= row.high for row in rows])
    # Four standard errors of 1,500 draws; that of ICC(2,1) is an approximation.
    assert covered == pytest.approx(0.95, abs=0.0225)


def test_what_is_never_read_differently_has_1_and_noise_has_0() -> None:
    same = np.repeat([[1.0], [4.0], [2.0]], 5, axis=1)
    for form in FORMS:
        row = intraclass_correlation(same, form=form)
        assert (row.value, row.low, row.high) == (1, 1, 1)
        noise = intraclass_correlation(drawn(0, 400, 8, between=0), form=form)
        assert abs(noise.value) < 0.05
        assert noise.low < 0 < noise.high


def test_a_reader_who_always_reads_higher_disagrees_but_is_consistent() -> None:
    readings = np.array([[1.0, 3.0], [2.0, 4.0], [5.0, 7.0], [9.0, 11.0]])
    one, agreement, consistency = (
        intraclass_correlation(readings, form=form).value for form in FORMS
    )
    assert consistency == 1
    assert one < agreement < 1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("scale", "offset"), [(-2.5, 100.0), (1e200, 0.0), (1e-200, 0.0)])
def test_unit_and_zero_of_the_scale_do_not_matter(form, scale, offset) -> None:
    row = intraclass_correlation(JUDGED, form=form)
    other = intraclass_correlation(JUDGED * scale + offset, form=form)
    assert (other.value, other.low, other.high) == pytest.approx((row.value, row.low, row.high))


@pytest.mark.parametrize(
    ("readings", "options", "words"),
    [
        ([[1.0, 2.0]], {}, "two cases"),
        ([[1.0], [2.0]], {}, "two readings"),
        ([1.0, 2.0], {}, r"shape \(2,\)"),
        ([[1.0, np.nan], [2.0, 3.0]], {}, "nan as reading 2 of case 1"),
        ([[0.3, 0.1 + 0.2], [0.3, 0.3]], {}, "all readings are equal"),
        ([[0.0, 0.0], [0.0, 0.0]], {}, "all readings are equal"),
        ([[1.0, 0.0], [0.0, 1.0]], {"form": "2,1"}, "exchange the readings"),
        ([[1.0, 2.0], [3.0, 4.0]], {"form": "1,k"}, "no such intraclass correlation"),
        ([[1.0, 2.0], [3.0, 4.0]], {"level": 1.0}, "level"),
    ],
)
def test_what_has_no_correlation_is_said(readings, options, words) -> None:
    with pytest.raises(DataError, match=words):
        intraclass_correlation(readings, **options)
