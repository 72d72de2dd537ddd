"""The cohort table against SciPy and statsmodels, and its standardized differences by formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fracturax.core.errors import DataError
from fracturax.evaluation.cohort import cohort_table
from fracturax.evaluation.cohort_tests import categorical_difference, categorical_test
from fracturax.evaluation.normality import normality_test


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(0)
    group = np.repeat(["healthy", "fracture"], [120, 80])
    age = generator.normal(50, 12, size=200) + 14 * (group == "fracture")
    stay = generator.exponential(3, size=200)
    return {
        "group": group,
        "age": np.where(np.arange(200) % 40 == 0, np.nan, age),
        "stay": stay,
        "sex": generator.choice(["f", "m"], size=200),
        "region": generator.choice(["hand", "leg", "hip"], size=200, p=(0.5, 0.3, 0.2)),
        "site": generator.choice([2, 10], size=200, p=(0.98, 0.02)),
    }


def test_numbers_get_their_test(data):
    table = cohort_table(data, group="group", categorical=("site",))
    age, stay = table["age"], table["stay"]
    inside = data["group"] == "fracture"
    one, other = (data["age"][side][~np.isnan(data["age"][side])] for side in (inside, ~inside))
    assert (age.is_normal, age.test) == (True, "Welch's t")
    assert age.p == pytest.approx(stats.ttest_ind(one, other, equal_var=False).pvalue)
    pooled = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 2)
    assert age.difference == pytest.approx((one.mean() - other.mean()) / pooled)
    assert age.overall.missing == 5
    assert sum(part.missing for part in age.groups) == 5
    assert (stay.is_normal, stay.test) == (False, "Mann-Whitney")
    expected = stats.mannwhitneyu(data["stay"][inside], data["stay"][~inside]).pvalue
    assert stay.p == pytest.approx(expected)
    assert stay.overall.quartiles == pytest.approx(tuple(np.quantile(data["stay"], (0.25, 0.75))))
    assert dict(table.groups) == {"fracture": 80, "healthy": 120}


def test_categories_get_their_test(data):
    table = cohort_table(data, group="group", categorical=("site",))
    for name in ("sex", "region"):
        counts = np.array([part.counts for part in table[name].groups])
        result = stats.chi2_contingency(counts, correction=False)
        assert table[name].test == "chi-square"
        assert table[name].p == pytest.approx(result.pvalue)
    site = table["site"]
    assert site.levels == ("2", "10")  # codes in the order of numbers
    assert site.test == "Fisher's exact"
    counts = np.array([part.counts for part in site.groups])
    assert site.p == pytest.approx(stats.fisher_exact(counts).pvalue)


def test_drawn_tables_approach_the_exact_test_of_their_statistic():
    counts = np.array([[3, 1, 4], [1, 5, 2]])
    name, p = categorical_test(counts, generator=np.random.default_rng(0))
    assert name == "chi-square, 9999 tables drawn"
    # All tables of the same margins, by enumeration.
    rows, columns = counts.sum(axis=1), counts.sum(axis=0)
    law = stats.random_table(rows, columns)
    expected = np.outer(rows, columns) / counts.sum()
    observed = ((counts - expected) ** 2 / expected).sum()
    exact = 0.0
    for first in range(columns[0] + 1):
        for second in range(columns[1] + 1):
            third = rows[0] - first - second
            if 0 <= third <= columns[2]:
                table = np.array([[first, second, third], columns - [first, second, third]])
                if ((table - expected) ** 2 / expected).sum() >= observed - 1e-9:
                    exact += law.pmf(table)
    assert p == pytest.approx(exact, abs=0.015)


def test_differences_of_shares_are_those_of_yang_and_dalton():
    counts = np.array([[30, 70], [50, 50]])
    expected = 0.2 / np.sqrt((0.3 * 0.7 + 0.5 * 0.5) / 2)
    assert categorical_difference(counts) == pytest.approx(expected)
    three = np.array([[30, 50, 20], [30, 50, 20]])
    assert categorical_difference(three) == pytest.approx(0)
    # The order of the levels does not matter, nor which one is left out.
    three = np.array([[30, 50, 20], [40, 20, 40]])
    assert categorical_difference(three[:, ::-1]) == pytest.approx(categorical_difference(three))


@pytest.mark.parametrize("n", [60, 100, 400])
def test_lilliefors_is_that_of_statsmodels(n):
    from statsmodels.stats.diagnostic import lilliefors

    generator = np.random.default_rng(n)
    for values in (
        generator.normal(size=n),
        generator.gamma(8, size=n),
        generator.gamma(2, size=n),
    ):
        test = normality_test(values)
        statistic, p = lilliefors(values, pvalmethod="approx")
        assert test.statistic == pytest.approx(statistic)
        if test.p < 0.1:
            assert test.p == pytest.approx(p, rel=1e-6)
        else:
            assert p > 0.09


def test_lilliefors_holds_its_size():
    generator = np.random.default_rng(0)
    p = np.array([normality_test(generator.normal(size=80)).p for _ in range(1500)])
    for level in (0.05, 0.3, 0.6):
        assert (p < level).mean() == pytest.approx(level, abs=0.05)


def test_few_values_are_shapiros():
    values = np.random.default_rng(0).normal(size=50)
    test = normality_test(values)
    assert (test.method, test.p) == ("Shapiro-Wilk", pytest.approx(stats.shapiro(values).pvalue))
    assert normality_test(values, shapiro_up_to=20).method.startswith("Kolmogorov")


def test_the_text_shows_every_number_once(data):
    text = cohort_table(data, group="group", categorical=("site",)).as_markdown()
    assert "| age, mean ± SD |" in text
    assert "| stay, median (IQR) |" in text
    assert "all (n = 200)" in text
    assert "|   missing | 5 |" in text
    assert "<0.001" in text
    alone = cohort_table({"age": data["age"]})
    assert alone.lines()[0] == ("", "all (n = 200)")
    assert alone["age"].p is None


def test_empty_columns_and_groups_have_no_number():
    table = cohort_table(
        {"g": ["a", "a", "b", "b"], "age": [None] * 4, "x": [1.0, 2.0, None, None]}, group="g"
    )
    assert table["age"].overall.missing == 4
    assert (table["x"].p, table["x"].difference) == (None, None)
    assert table.as_markdown()


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        ({"a": [1, 2], "b": [1]}, {}, "a 2, b 1"),
        ({"a": [1, "x"]}, {}, "'x' in row 2"),
        ({"a": [1.0, np.inf]}, {}, "inf in row 2"),
        ({"g": ["x", None], "a": [1, 2]}, {"group": "g"}, "nothing in row 2"),
        ({"g": ["x", "y", "z"]}, {"group": "g"}, "3 values"),
        ({"a": [1]}, {"group": "g"}, "lacks columns"),
    ],
)
def test_bad_input_is_named(data, options, words):
    with pytest.raises(DataError, match=words):
        cohort_table(data, **options)
