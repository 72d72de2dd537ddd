"""A model against readers, times, confidence, early detection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from fracturax.core.errors import DataError, UnknownNameError
from fracturax.evaluation.readers import (
    FIXED_CASES,
    FIXED_READERS,
    Auc,
    Ratings,
    Sensitivity,
    analyse,
    compare_confidence,
    compare_standalone,
    compare_times,
    crossed_study,
    early_detection,
    study_of,
    with_model_as_reader,
)
from fracturax.evaluation.readers.covariance import covariance_of_cells
from fracturax.evaluation.readers.figures import figure_of_cells


def one_treatment(readers=5, cases=40, seed=0):
    generator = np.random.default_rng(seed)
    truth = np.arange(cases) % 2
    shared = generator.normal(0, 0.6, cases)
    latent = truth * 1.3 + shared + generator.normal(0, 0.7, (readers, cases))
    return np.round(latent * 2), truth


def table(seed=0, readers=4, cases=30):
    """Readers alone and with AI, and the AI itself as a reader under its own treatment."""
    generator = np.random.default_rng(seed)
    truth = np.arange(cases) % 2 == 0
    later = np.arange(cases) % 6 == 0
    columns = []
    for treatment, gain in (("alone", 1.0), ("with AI", 1.6)):
        for reader in range(readers):
            rating = np.round(2 * (truth * gain + generator.normal(0, 0.8, cases)))
            columns.append((f"r{reader}", treatment, rating))
    columns.append(("AI", "AI", np.round(2 * (truth * 1.5 + generator.normal(0, 0.8, cases)))))
    count = len(columns)
    return Ratings(
        reader=np.repeat([name for name, _, _ in columns], cases),
        treatment=np.repeat([name for _, name, _ in columns], cases),
        case=np.tile([f"c{k}" for k in range(cases)], count),
        truth=np.tile(truth, count),
        rating=np.concatenate([rating for _, _, rating in columns]),
        time_s=np.exp(generator.normal(3, 0.5, cases * count)),
        confidence=generator.uniform(0, 100, cases * count),
        confirmed_later=np.tile(later, count),
    )


@pytest.mark.parametrize("figure", [Auc(), Sensitivity(1)])
def test_a_model_is_a_treatment_that_every_reader_reads_alike(figure) -> None:
    """Kooi's form of the same test: the model's ratings stand for every reader."""
    ratings, truth = one_treatment(seed=1)
    found = compare_standalone(crossed_study(ratings[None], truth), figure, model="5")
    doubled = crossed_study(np.stack([np.tile(ratings[4], (4, 1)), ratings[:4]]), truth)
    (expected,) = analyse(doubled, figure).differences
    assert found.difference.value == pytest.approx(expected.estimate.value)
    assert found.difference.standard_error == pytest.approx(expected.estimate.standard_error)
    assert found.difference.df == pytest.approx(expected.estimate.df)
    assert found.test.p == pytest.approx(expected.test.p)


def test_a_model_against_fixed_cases_and_against_fixed_readers() -> None:
    ratings, truth = one_treatment(seed=2)
    study = crossed_study(ratings[None], truth)
    measured = figure_of_cells(study, Auc())
    found = compare_standalone(study, Auc(), model="1", inference=FIXED_CASES)
    expected = stats.ttest_1samp(measured.values[1:], measured.values[0])
    assert found.test.p == pytest.approx(expected.pvalue)
    found = compare_standalone(study, Auc(), model="1", inference=FIXED_READERS)
    matrix = covariance_of_cells(study, Auc(), measured, "delong")
    contrast = np.array([1, -0.25, -0.25, -0.25, -0.25])
    assert found.difference.standard_error**2 == pytest.approx(contrast @ matrix @ contrast)


def test_the_model_is_set_against_the_readers_of_a_treatment() -> None:
    study = study_of(with_model_as_reader(table(), model="AI", treatment="with AI"))
    assert (study.treatments, study.readers) == (("with AI",), ("AI", "r0", "r1", "r2", "r3"))
    found = compare_standalone(study, Auc(), model="AI")
    assert found.count == 4
    assert found.difference.value == pytest.approx(found.model.value - found.readers.value)
    assert "Hillis 2007" in found.as_document()["method"]
    with pytest.raises(UnknownNameError):
        with_model_as_reader(table(), model="IA", treatment="alone")


def test_a_model_needs_readers_and_one_treatment() -> None:
    ratings, truth = one_treatment(readers=2)
    with pytest.raises(DataError, match="one reader says nothing"):
        compare_standalone(crossed_study(ratings[None], truth), Auc(), model="1")
    with pytest.raises(DataError, match="under one treatment"):
        compare_standalone(crossed_study(np.stack([ratings] * 2), truth), Auc(), model="1")


def people():
    rows = table()
    return rows.take(rows.treatment != "AI")


def test_ratio_of_times_is_that_of_geometric_means_and_ignores_the_unit() -> None:
    rows = people()
    found = compare_times(rows)
    ratio = found.as_document()["ratios"][0]
    logs = np.log(rows.time_s)
    expected = np.exp(
        logs[rows.treatment == "alone"].mean() - logs[rows.treatment == "with AI"].mean()
    )
    assert ratio["value"] == pytest.approx(expected)
    assert ratio["low"] < ratio["value"] < ratio["high"]
    minutes = compare_times(replace(rows, time_s=rows.time_s / 60)).as_document()["ratios"][0]
    for key in ("value", "low", "high", "p"):
        assert minutes[key] == pytest.approx(ratio[key])
    seconds = found.seconds.differences[0].estimate.value
    gap = (
        rows.time_s[rows.treatment == "alone"].mean()
        - rows.time_s[rows.treatment == "with AI"].mean()
    )
    assert seconds == pytest.approx(gap)


def test_half_the_time_is_found() -> None:
    rows = people()
    noise = np.random.default_rng(3).normal(0, 0.1, len(rows))
    halved = np.exp(3 + noise) * np.where(rows.treatment == "alone", 2, 1)
    (ratio,) = compare_times(replace(rows, time_s=halved)).as_document()["ratios"]
    assert ratio["low"] < 2 < ratio["high"]
    assert ratio["high"] - ratio["low"] < 0.3


def test_missing_times_are_refused_or_left_out() -> None:
    rows = people()
    times = rows.time_s.copy()
    times[4] = np.nan
    gap = replace(rows, time_s=times)
    with pytest.raises(DataError, match=r"'time_s' must not be empty; got '' in row 5"):
        compare_times(gap)
    assert compare_times(gap, allow_missing=True).seconds.design == "partially paired"
    with pytest.raises(DataError, match="no column 'confidence'"):
        compare_confidence(replace(rows, confidence=None))


def test_confidence_is_a_mean_over_readers_and_cases() -> None:
    rows = people()
    found = compare_confidence(rows)
    assert [one.estimate.value for one in found.means] == pytest.approx(
        [rows.confidence[rows.treatment == name].mean() for name in ("alone", "with AI")]
    )


def test_early_detection_is_the_sensitivity_on_fractures_confirmed_later() -> None:
    rows = people()
    found = early_detection(rows, threshold=1)
    chosen = rows.confirmed_later & (rows.treatment == "alone")
    assert found.means[0].estimate.value == pytest.approx((rows.rating[chosen] >= 1).mean())
    assert found.fractured == 5
    only = rows.take(rows.confirmed_later | ~rows.truth)
    expected = analyse(study_of(only), Sensitivity(1))
    assert found.differences == expected.differences
    assert found.figure.startswith("early detection rate")
    with pytest.raises(DataError, match="confirmed_later"):
        early_detection(replace(rows, confirmed_later=None), threshold=1)
