"""The bootstrap draws patients, repeats its draws, and covers what it should."""

from __future__ import annotations

import numpy as np
import pytest

from fracturax.core.errors import DataError
from fracturax.evaluation import auroc, group_bootstrap, group_bootstrap_weighted


def test_rows_of_a_group_are_drawn_together_as_often_as_each_other():
    groups = np.array(["a", "b", "a", "c", "b", "a"])
    seen = []

    def statistic(rows):
        counts = np.bincount(rows, minlength=6)
        seen.append(counts)
        return float(rows.size)

    drawn = group_bootstrap(groups, statistic, generator=np.random.default_rng(0), resamples=200)
    counts = np.array(seen)
    for name in "abc":
        members = counts[:, groups == name]
        assert (members == members[:, :1]).all()
    per_group = counts[:, [0, 1, 3]]
    assert (per_group.sum(axis=1) == 3).all()  # as many groups as there are
    assert per_group.mean(axis=0) == pytest.approx([1, 1, 1], abs=0.15)
    assert drawn.groups == 3


def test_indices_and_weights_tell_the_same_story():
    generator = np.random.default_rng(0)
    reference = generator.integers(0, 2, 60)
    score = np.round(reference + generator.normal(size=60), 1)
    groups = generator.integers(0, 30, 60)
    by_rows = group_bootstrap(
        groups,
        lambda rows: auroc(reference[rows], score[rows]),
        generator=np.random.default_rng(7),
        resamples=100,
    )
    by_weights = group_bootstrap_weighted(
        groups,
        lambda weights: auroc(reference, score, weights=weights),
        generator=np.random.default_rng(7),
        resamples=100,
    )
    assert np.allclose(by_rows.samples, by_weights.samples, atol=1e-12)
    assert by_rows.interval() == pytest.approx(by_weights.interval())


def test_the_interval_of_a_mean_of_clusters_covers():
    generator = np.random.default_rng(3)
    covered = covered_by_rows = 0
    for _ in range(200):
        of_group = generator.normal(size=40)
        groups = np.repeat(np.arange(40), 5)
        values = of_group[groups] + 0.2 * generator.normal(size=200)

        def mean(weights, values=values):
            return weights @ values / weights.sum()

        for keys in (groups, np.arange(200)):
            drawn = group_bootstrap_weighted(keys, mean, generator=generator, resamples=200)
            low, high = drawn.interval()
            if keys is groups:
                covered += low <= 0 <= high
            else:
                covered_by_rows += low <= 0 <= high
    assert 0.88 <= covered / 200 <= 0.99
    assert covered_by_rows / 200 < 0.75  # what forgetting the patients costs


def test_undefined_resamples_are_redrawn_and_counted():
    reference, score = np.array([0, 0, 0, 1]), np.array([0.1, 0.6, 0.3, 0.5])

    def area(weights):
        return auroc(reference, score, weights=weights)

    drawn = group_bootstrap_weighted(
        np.arange(4), area, generator=np.random.default_rng(0), resamples=300
    )
    # No positive with probability (3/4)^4, four times the positive with (1/4)^4.
    share = drawn.redrawn / (drawn.redrawn + 300)
    assert share == pytest.approx((3**4 + 1) / 4**4, abs=0.08)
    assert np.isfinite(drawn.samples).all()
    stratified = group_bootstrap_weighted(
        np.arange(4), area, generator=np.random.default_rng(0), resamples=300, strata=reference
    )
    assert stratified.redrawn == 0


def test_a_statistic_that_is_never_defined_is_an_error():
    with pytest.raises(DataError, match="not defined on most resamples"):
        group_bootstrap([0, 1], lambda rows: np.nan, generator=np.random.default_rng(0))


def test_strata_keep_their_size_and_hold_whole_groups():
    groups, strata = np.array([0, 0, 1, 2, 3, 3]), np.array([1, 1, 1, 0, 0, 0])

    def statistic(weights):
        per_group = weights[[0, 2, 3, 4]]
        return np.array([per_group[:2].sum(), per_group[2:].sum()], dtype=float)

    drawn = group_bootstrap_weighted(
        groups, statistic, generator=np.random.default_rng(0), resamples=50, strata=strata
    )
    assert (drawn.samples == 2).all()
    with pytest.raises(DataError, match="two strata; got row"):
        group_bootstrap_weighted(
            groups,
            statistic,
            generator=np.random.default_rng(0),
            strata=np.array([1, 0, 1, 0, 0, 0]),
        )


def test_the_same_seed_gives_the_same_interval():
    values = np.arange(20.0)

    def interval(seed):
        return group_bootstrap(
            np.arange(20),
            lambda rows: values[rows].mean(),
            generator=np.random.default_rng(seed),
            resamples=50,
        ).interval()

    assert interval(4) == interval(4) != interval(5)
