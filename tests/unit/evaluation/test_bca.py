"""The BCa interval against SciPy and its laws, and bootstraps of sums against those of rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from fracturax.core.errors import DataError
from fracturax.evaluation.bootstrap import (
    group_bootstrap,
    group_bootstrap_tallies,
    group_bootstrap_weighted,
)


def weighted_mean(values):
    return lambda weights: weights @ values / weights.sum()


def tallied_mean(groups, values, **options):
    tallies = np.column_stack([values, np.ones(values.size)])
    return group_bootstrap_tallies(
        groups, tallies, lambda sums: sums[:, :1] / sums[:, 1:], **options
    )


def test_bca_is_that_of_scipy():
    values = np.random.default_rng(1).exponential(size=40)
    options = {"resamples": 8000, "generator": np.random.default_rng(2)}
    ours = tallied_mean(np.arange(40), values, **options).interval()
    theirs = bootstrap(
        (values,), np.mean, n_resamples=8000, method="BCa", rng=np.random.default_rng(3)
    ).confidence_interval
    plain = tallied_mean(np.arange(40), values, bca=False, **options).interval()
    width = theirs.high - theirs.low
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.03 * width)
    # The correction is worth more than that tolerance, so it is there.
    assert abs(plain[1] - theirs.high) > 0.03 * width


def test_the_acceleration_of_a_mean_is_a_sixth_of_its_skewness():
    values = np.random.default_rng(1).exponential(size=30)
    drawn = tallied_mean(np.arange(30), values, generator=np.random.default_rng(0))
    centered = values - values.mean()
    expected = (centered**3).sum() / (6 * (centered**2).sum() ** 1.5)
    assert drawn.acceleration[0] == pytest.approx(expected, rel=1e-6)
    assert drawn.estimate[0] == pytest.approx(values.mean())


def test_rows_weights_and_sums_tell_the_same_story():
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 25, 80)
    values = generator.exponential(size=80) + groups / 10
    of_weights = group_bootstrap_weighted(
        groups, weighted_mean(values), generator=np.random.default_rng(1), bca=True, resamples=800
    )
    of_rows = group_bootstrap(
        groups,
        lambda rows: values[rows].mean(),
        generator=np.random.default_rng(1),
        bca=True,
        resamples=800,
    )
    of_sums = tallied_mean(groups, values, generator=np.random.default_rng(1), resamples=4000)
    assert of_rows.interval() == pytest.approx(of_weights.interval())
    assert of_sums.acceleration == pytest.approx(of_weights.acceleration)
    low, high = of_weights.interval()
    assert of_sums.interval() == pytest.approx((low, high), abs=0.1 * (high - low))
    assert of_sums.method == "BCa bootstrap"


def test_strata_keep_their_groups():
    strata = np.repeat([0, 1], [10, 30])
    drawn = group_bootstrap_tallies(
        np.arange(40),
        strata[:, None],
        lambda sums: sums,
        generator=np.random.default_rng(0),
        strata=strata,
        resamples=50,
    )
    assert (drawn.samples == 30).all()
    assert drawn.interval() == (30, 30)


def test_bca_does_not_change_with_an_increasing_transform():
    values = np.random.default_rng(4).exponential(size=60)

    def run(transform):
        return group_bootstrap_weighted(
            np.arange(60),
            lambda weights: transform(weights @ values / weights.sum()),
            generator=np.random.default_rng(0),
            resamples=2001,
            bca=True,
        )

    plain, transformed = run(lambda x: x).interval(), run(np.log).interval()
    assert transformed == pytest.approx(np.log(plain), abs=0.01)


def test_undefined_numbers_are_drawn_anew_or_named():
    labels = np.array([1, 1, 0, 0, 0, 0, 0, 0])

    def share_of_positives(sums):
        with np.errstate(invalid="ignore"):
            return sums[:, :1] / sums[:, :1]

    drawn = group_bootstrap_tallies(
        np.arange(8), labels[:, None], share_of_positives, generator=np.random.default_rng(0)
    )
    assert drawn.redrawn > 0
    assert drawn.samples.shape == (2000, 1)
    with pytest.raises(DataError, match="without one of the groups"):
        group_bootstrap_tallies(
            np.arange(8),
            (np.arange(8) == 0)[:, None],
            share_of_positives,
            generator=np.random.default_rng(0),
        )
    with pytest.raises(DataError, match="one row a row"):
        tallied_mean(np.arange(3), np.ones(4), generator=np.random.default_rng(0))
