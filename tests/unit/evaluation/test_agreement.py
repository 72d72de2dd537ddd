"""Kappas and alpha against scikit-learn, statsmodels, published examples and definitions."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as peer_fleiss

from fracturax.core.errors import DataError
from fracturax.evaluation.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha

NAN = np.nan
# Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011, part C: 4 observers, 12 units.
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)
answers = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=6, max_size=40).filter(
    lambda rows: len({a for a, _ in rows} | {b for _, b in rows}) > 1
)


def draw(seed=0):
    return np.random.default_rng(seed)


@given(answers, st.sampled_from(["none", "linear", "quadratic"]))
@settings(max_examples=60, deadline=None)
def test_cohens_kappa_is_that_of_sklearn(rows, weights) -> None:
    first, second = np.array(rows).T
    expected = cohen_kappa_score(first, second, weights=None if weights == "none" else weights)
    row = cohen_kappa(first, second, weights=weights)
    assert row.value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_interval_of_cohens_kappa_is_statsmodels_error_on_fishers_scale(weights) -> None:
    generator = draw(1)
    first = generator.integers(0, 4, 80)
    second = np.where(generator.random(80) < 0.6, first, generator.integers(0, 4, 80))
    table = np.zeros((4, 4))
    np.add.at(table, (first, second), 1)
    peer = cohens_kappa(table, wt=None if weights == "none" else weights)
    row = cohen_kappa(first, second, weights=weights)
    half = 1.959963984540054 * peer.std_kappa / (1 - peer.kappa**2)
    ends = np.tanh([np.arctanh(peer.kappa) - half, np.arctanh(peer.kappa) + half])
    assert (row.low, row.high) == pytest.approx(tuple(ends), abs=1e-9)


def test_cohens_kappa_knows_categories_nobody_used() -> None:
    first, second = [0, 1, 1, 0], [0, 1, 0, 0]
    row = cohen_kappa(first, second, weights="linear", categories=[0, 1, 2])
    expected = cohen_kappa_score(first, second, weights="linear", labels=[0, 1, 2])
    assert row.value == pytest.approx(expected)
    with pytest.raises(DataError, match="none of the categories"):
        cohen_kappa([0, 3], [0, 1], categories=[0, 1])


def test_fleiss_kappa_is_that_of_statsmodels() -> None:
    table = draw(2).integers(0, 3, (5, 40))
    expected = peer_fleiss(aggregate_raters(table.T)[0])
    assert fleiss_kappa(table, generator=draw()).value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("scale", "told"), [("nominal", "0.743"), ("ordinal", "0.815"), ("interval", "0.849")]
)
def test_alpha_is_the_published_one(scale, told) -> None:
    row = krippendorff_alpha(PUBLISHED, scale=scale, generator=draw())
    assert f"{row.value:.3f}" == told
    assert row.n == 11
    assert row.low < row.value < row.high


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval"])
def test_alpha_is_its_definition(scale) -> None:
    """Ratio of mean disagreements, pair by pair."""
    table = draw(4).integers(1, 6, (4, 25)).astype(float)
    table[draw(5).random(table.shape) < 0.2] = NAN
    units = [column[~np.isnan(column)] for column in table.T]
    units = [unit for unit in units if unit.size > 1]
    pool = np.concatenate(units)
    count = {value: (pool == value).sum() for value in np.unique(pool)}

    def apart(a, b):
        if scale == "nominal":
            return float(a != b)
        if scale == "interval":
            return (a - b) ** 2
        low, high = min(a, b), max(a, b)
        between = sum(n for value, n in count.items() if low <= value <= high)
        return (between - (count[a] + count[b]) / 2) ** 2

    seen = sum(apart(a, b) / (unit.size - 1) for unit in units for a, b in permutations(unit, 2))
    chance = sum(apart(a, b) for a, b in permutations(pool, 2)) / (pool.size - 1)
    row = krippendorff_alpha(table, scale=scale, generator=draw())
    assert row.value == pytest.approx(1 - seen / chance)


def test_perfect_agreement_is_one_and_chance_is_none() -> None:
    same = np.tile(draw(6).integers(0, 3, 60), (3, 1)).astype(float)
    assert krippendorff_alpha(same, scale="ordinal", generator=draw()).value == pytest.approx(1)
    assert fleiss_kappa(same, generator=draw()).value == pytest.approx(1)
    row = cohen_kappa(same[0], same[1])
    assert (row.value, row.low) == (pytest.approx(1), None)
    random = draw(7).integers(0, 3, (4, 4000)).astype(float)
    assert (
        abs(krippendorff_alpha(random, scale="nominal", generator=draw(), resamples=50).value)
        < 0.02
    )


def test_alpha_of_ranks_ignores_the_numbers_behind_them() -> None:
    plain = krippendorff_alpha(PUBLISHED, scale="ordinal", generator=draw())
    curved = krippendorff_alpha(PUBLISHED**3, scale="ordinal", generator=draw())
    assert curved == plain


def test_intervals_cover() -> None:
    """60 studies of 60 cases; the true alpha is that of a very large one."""

    def study(generator, cases):
        truth = generator.integers(0, 2, cases)
        flips = generator.random((3, cases)) < 0.2
        return (truth ^ flips).astype(float)

    true = krippendorff_alpha(
        study(draw(8), 100_000), scale="nominal", generator=draw(), resamples=1
    ).value
    generator = draw(9)
    hits = 0
    for _ in range(60):
        row = krippendorff_alpha(
            study(generator, 60), scale="nominal", generator=generator, resamples=300
        )
        hits += row.low <= true <= row.high
    assert hits >= 52


def test_the_same_seed_gives_the_same_interval() -> None:
    first, second = (fleiss_kappa(PUBLISHED[1:, 1:9], generator=draw(3)) for _ in range(2))
    assert first == second


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(DataError, match="all answers are the same"):
        fleiss_kappa([[1, 1], [1, 1]], generator=draw())
    with pytest.raises(DataError, match="one answer throughout"):
        cohen_kappa([1, 1], [1, 1])
    with pytest.raises(DataError, match="none of reader 1 for case 10"):
        fleiss_kappa(PUBLISHED, generator=draw())
    with pytest.raises(DataError, match="two cases with two answers"):
        krippendorff_alpha([[1, NAN], [1, 2]], scale="nominal", generator=draw())
    with pytest.raises(DataError, match="no such scale"):
        krippendorff_alpha(PUBLISHED, scale="ratio", generator=draw())
