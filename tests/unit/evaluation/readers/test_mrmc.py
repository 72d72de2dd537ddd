"""Obuchowski-Rockette against published answers, brute force, Dorfman-Berbaum-Metz and R's pROC."""

from __future__ import annotations

import shutil
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.anova import AnovaRM

from fracturax.core.errors import DataError
from fracturax.evaluation import delong_test
from fracturax.evaluation.readers import (
    FIXED_CASES,
    FIXED_READERS,
    RANDOM,
    Auc,
    Mean,
    Ratings,
    ReaderStudy,
    Sensitivity,
    Specificity,
    analyse,
    crossed_study,
    study_of,
)
from fracturax.evaluation.readers.covariance import covariance_of_cells, error_covariance
from fracturax.evaluation.readers.figures import figure_of_cells


def ratings_of(treatments=2, readers=4, fractured=12, healthy=15, seed=0, levels=6):
    """Ratings on a scale of few steps, so that ties are the rule."""
    generator = np.random.default_rng(seed)
    truth = np.repeat([1, 0], [fractured, healthy])
    skill = generator.normal(1.2, 0.3, (treatments, readers, 1))
    latent = (
        truth * skill
        + generator.normal(0, 0.6, truth.size)
        + generator.normal(0, 0.7, (treatments, readers, truth.size))
    )
    return np.clip(np.round(latent * 1.5) + 2, 0, levels - 1), truth


def as_table(ratings, truth, keep=None, reader_names=None, case_names=None):
    """The same as rows; `keep` says which cells exist, `case_names` may depend on the cell."""
    rows = []
    for treatment, reader, case in product(*(range(size) for size in ratings.shape)):
        if keep is None or keep[treatment, reader, case]:
            name = f"c{case}" if case_names is None else case_names(treatment, reader, case)
            who = f"r{reader}" if reader_names is None else reader_names[reader]
            rows.append((who, f"t{treatment}", name, truth[case], ratings[treatment, reader, case]))
    reader, treatment, case, label, rating = zip(*rows, strict=True)
    return Ratings(
        np.array(reader), np.array(treatment), np.array(case),
        np.array(label) == 1, np.array(rating, dtype=float),
    )  # fmt: skip


def area(truth, ratings):
    """All pairs, a tie counting half."""
    high, low = ratings[truth == 1][:, None], ratings[truth == 0]
    return ((high > low) + 0.5 * (high == low)).mean()


def dbm(ratings, truth, figure):
    """Dorfman-Berbaum-Metz on jackknife pseudovalues: F and its df, by sums over the cube."""
    treatments, readers, cases = ratings.shape
    whole = np.array(
        [[figure(truth, ratings[i, j]) for j in range(readers)] for i in range(treatments)]
    )
    pseudo = np.empty((treatments, readers, cases))
    for i, j, k in product(range(treatments), range(readers), range(cases)):
        left = np.delete(np.arange(cases), k)
        pseudo[i, j, k] = cases * whole[i, j] - (cases - 1) * figure(
            truth[left], ratings[i, j, left]
        )
    mean = pseudo.mean()
    t, r, c = (pseudo.mean(axis=axes) for axes in ((1, 2), (0, 2), (0, 1)))
    tr, tc, rc = pseudo.mean(axis=2), pseudo.mean(axis=1), pseudo.mean(axis=0)
    square_t = readers * cases * ((t - mean) ** 2).sum() / (treatments - 1)
    square_tr = (
        cases * ((tr - t[:, None] - r + mean) ** 2).sum() / ((treatments - 1) * (readers - 1))
    )
    square_tc = (
        readers * ((tc - t[:, None] - c + mean) ** 2).sum() / ((treatments - 1) * (cases - 1))
    )
    residual = (
        pseudo - tr[:, :, None] - tc[:, None, :] - rc[None]
        + t[:, None, None] + r[None, :, None] + c[None, None] - mean
    )  # fmt: skip
    square_trc = (residual**2).sum() / ((treatments - 1) * (readers - 1) * (cases - 1))
    below = square_tr + max(square_tc - square_trc, 0)
    df2 = below**2 / (square_tr**2 / ((treatments - 1) * (readers - 1)))
    return square_t / below, df2


def test_van_dyke_gives_the_published_answers(shared_data: Path) -> None:
    study = study_of(Ratings.from_csv(shared_data / "reader-study" / "van_dyke.csv"))
    (found,) = analyse(study, Auc()).differences
    means = [mean.estimate.value for mean in analyse(study, Auc()).means]
    assert [f"{value:.7f}" for value in means] == ["0.8970370", "0.9408374"]
    assert f"{found.estimate.value:.8f}" == "-0.04380032"
    assert f"{found.estimate.standard_error:.7f}" == "0.0206825"
    assert f"{found.estimate.df:.5f}" == "15.06611"
    assert f"{found.test.statistic:.6f}" == "-2.117747"
    assert f"{found.test.p:.8f}" == "0.05123303"
    assert f"{found.estimate.low:.10f}" == "-0.0878671960"
    assert f"{found.estimate.high:.13f}" == "0.0002665518977"
    parts = analyse(study, Auc()).components
    errors = (parts.error, parts.cov1, parts.cov2, parts.cov3)
    told = ("0.0007921325", "0.0003420090", "0.0003395265", "0.0002358497")
    assert tuple(f"{value:.10f}" for value in errors) == told

    (found,) = analyse(study, Auc(), covariance="unbiased").differences
    assert f"{found.estimate.standard_error:.8f}" == "0.02067154"
    assert f"{found.estimate.df:.5f}" == "15.03418"
    assert f"{found.test.p:.7f}" == "0.0511618"

    fixed = analyse(study, Auc(), inference=FIXED_READERS, covariance="jackknife")
    (found,) = fixed.differences
    assert f"{found.estimate.standard_error:.8f}" == "0.01871748"
    assert f"{found.test.statistic:.6f}" == "-2.340075"
    assert f"{found.test.p:.8f}" == "0.01927984"

    binary = analyse(study, Sensitivity(3))
    (found,) = binary.differences
    assert [f"{mean.estimate.value:.7f}" for mean in binary.means] == ["0.8222222", "0.9200000"]
    assert f"{found.estimate.standard_error:.8f}" == "0.03780451"
    assert f"{found.estimate.df:.5f}" == "15.71732"
    assert f"{found.test.p:.8f}" == "0.02008822"


@pytest.mark.parametrize("treatments", [2, 3])
def test_jackknife_analysis_is_that_of_dorfman_berbaum_and_metz(treatments) -> None:
    ratings, truth = ratings_of(treatments, seed=3)
    overall = analyse(crossed_study(ratings, truth), Auc(), covariance="jackknife").overall
    assert overall is not None
    assert (overall.statistic, overall.df2) == pytest.approx(dbm(ratings, truth, area))
    assert overall.p == pytest.approx(stats.f.sf(overall.statistic, treatments - 1, overall.df2))


def test_means_of_times_are_those_of_the_mixed_model() -> None:
    ratings, truth = ratings_of(seed=5)
    found = analyse(crossed_study(ratings, truth), Mean("time")).overall
    assert found is not None
    expected = dbm(ratings, truth, lambda _, values: values.mean())
    assert (found.statistic, found.df2) == pytest.approx(expected)


def test_sensitivity_and_specificity_count_their_cases_only() -> None:
    ratings, truth = ratings_of(seed=7)
    study = crossed_study(ratings, truth)
    for figure, chosen, called in (
        (Sensitivity(3), truth == 1, ratings >= 3),
        (Specificity(3), truth == 0, ratings < 3),
    ):
        found = analyse(study, figure).overall
        calls = called[:, :, chosen].astype(float)
        expected = dbm(calls, truth[chosen], lambda _, values: values.mean())
        assert found is not None
        assert (found.statistic, found.df2) == pytest.approx(expected)


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="no R here")
def test_delong_covariances_are_those_of_proc(tmp_path: Path) -> None:
    ratings, truth = ratings_of(readers=2, seed=11)
    study = crossed_study(ratings, truth)
    matrix = covariance_of_cells(study, Auc(), figure_of_cells(study, Auc()), "delong")
    cells = ratings.reshape(4, -1)
    curves = "\n".join(
        f"r{i} <- roc(truth, c({','.join(map(str, row))}), direction='<', quiet=TRUE)"
        for i, row in enumerate(cells)
    )
    pairs = [(i, j) for i in range(4) for j in range(i)]
    prints = "\n".join(f"cat(sprintf('%.15g\\n', cov(r{i}, r{j})))" for i, j in pairs)
    script = tmp_path / "delong.R"
    script.write_text(
        f"suppressMessages(library(pROC))\ntruth <- c({','.join(map(str, truth))})\n{curves}\n"
        f"{prints}\ncat(sprintf('%.15g\\n', var(r0)))\n"
    )
    done = subprocess.run(["Rscript", str(script)], capture_output=True, text=True, check=False)
    if "there is no package" in done.stderr:
        pytest.skip("R without pROC")
    numbers = [float(line) for line in done.stdout.split()]
    assert [matrix[i, j] for i, j in pairs] == pytest.approx(numbers[:-1], abs=1e-12)
    assert matrix[0, 0] == pytest.approx(numbers[-1], abs=1e-12)


def test_unbiased_covariance_is_that_of_all_pairs_of_pairs() -> None:
    """Also where two readers share only some cases."""
    ratings, truth = ratings_of(treatments=1, readers=2, fractured=4, healthy=5, seed=2)
    keep = np.ones(ratings.shape, dtype=bool)
    keep[0, 0, 0] = keep[0, 0, 8] = keep[0, 1, 1] = False
    study = study_of(as_table(ratings, truth, keep), allow_missing=True)
    measured = figure_of_cells(study, Auc())
    matrix = covariance_of_cells(study, Auc(), measured, "unbiased")

    def pairs(reader):
        seen = [k for k in range(truth.size) if keep[0, reader, k]]
        for i, j in product([k for k in seen if truth[k]], [k for k in seen if not truth[k]]):
            a, b = ratings[0, reader, i], ratings[0, reader, j]
            yield i, j, float(a > b) + 0.5 * float(a == b)

    for x, y in ((0, 0), (0, 1), (1, 1)):
        products, apart = [], []
        for (i, j, a), (k, m, b) in product(pairs(x), pairs(y)):
            products.append(a * b)
            if i != k and j != m:
                apart.append(a * b)
        assert matrix[x, y] == pytest.approx(np.mean(products) - np.mean(apart), abs=1e-14)


def test_one_fixed_reader_is_delongs_paired_test() -> None:
    ratings, truth = ratings_of(readers=1, seed=13)
    (found,) = analyse(crossed_study(ratings, truth), Auc(), inference=FIXED_READERS).differences
    expected = delong_test(truth, ratings[0, 0], ratings[1, 0])
    assert (found.estimate.value, found.test.p) == pytest.approx((expected.difference, expected.p))
    assert (found.estimate.low, found.estimate.high) == pytest.approx((expected.low, expected.high))


def aucs(ratings, truth):
    return np.array([[roc_auc_score(truth, one) for one in treatment] for treatment in ratings])


def test_with_fixed_cases_it_is_the_paired_t_test_of_readers() -> None:
    ratings, truth = ratings_of(seed=17)
    (found,) = analyse(crossed_study(ratings, truth), Auc(), inference=FIXED_CASES).differences
    expected = stats.ttest_rel(*aucs(ratings, truth))
    assert (found.test.statistic, found.test.p) == pytest.approx(tuple(expected)[:2])


def test_three_treatments_with_fixed_cases_are_repeated_measures() -> None:
    import pandas as pd

    ratings, truth = ratings_of(treatments=3, seed=19)
    overall = analyse(crossed_study(ratings, truth), Auc(), inference=FIXED_CASES).overall
    values = aucs(ratings, truth)
    frame = pd.DataFrame(
        [(i, j, values[i, j]) for i, j in product(range(3), range(4))], columns=["t", "r", "y"]
    )
    table = AnovaRM(frame, "y", "r", within=["t"]).fit().anova_table
    assert overall is not None
    assert overall.statistic == pytest.approx(table["F Value"].iloc[0])
    assert overall.p == pytest.approx(table["Pr > F"].iloc[0])


def contrast_variance(study: ReaderStudy, method: str) -> float:
    """Variance of the difference of mean figures, from the whole covariance matrix."""
    measured = figure_of_cells(study, Auc())
    matrix = covariance_of_cells(study, Auc(), measured, method)
    treatment = np.array(measured.cells)[:, 0]
    contrast = np.where(treatment == 0, 1 / (treatment == 0).sum(), -1 / (treatment == 1).sum())
    return float(contrast @ matrix @ contrast)


def nested(kind, seed=0):
    """A study of 2 treatments and 6 readers under some design, from a larger crossed one."""
    ratings, truth = ratings_of(readers=6, fractured=24, healthy=30, seed=seed)
    cases = np.arange(truth.size)
    keep = np.ones(ratings.shape, dtype=bool)
    if kind == "cases nested in readers":
        keep &= (cases % 6)[None, None, :] == np.arange(6)[None, :, None]
    elif kind == "cases nested in treatments":
        keep &= (cases % 2)[None, None, :] == np.arange(2)[:, None, None]
    elif kind == "cases nested in reader groups":
        group = np.array([0, 0, 0, 1, 1, 1])
        keep &= (cases % 2)[None, None, :] == group[None, :, None]
    elif kind == "cases nested in readers and treatments":
        cell = np.arange(12).reshape(2, 6)
        keep &= (cases % 12)[None, None, :] == cell[:, :, None]
    elif kind == "readers nested in treatments":
        keep &= (np.arange(6) % 2)[None, :, None] == np.arange(2)[:, None, None]
    return study_of(as_table(ratings, truth, keep))


DESIGNS = [
    "fully crossed",
    "cases nested in readers",
    "cases nested in treatments",
    "cases nested in reader groups",
    "cases nested in readers and treatments",
    "readers nested in treatments",
]


@pytest.mark.parametrize("method", ["delong", "jackknife", "unbiased"])
@pytest.mark.parametrize("kind", DESIGNS)
def test_with_fixed_readers_the_variance_is_that_of_the_contrast(kind, method) -> None:
    """Averaging covariances loses nothing: the sum over all pairs of cells is the same."""
    study = nested(kind, seed=29)
    assert study.design.kind == kind
    found = analyse(study, Auc(), inference=FIXED_READERS, covariance=method)
    part = error_covariance(
        covariance_of_cells(study, Auc(), figure_of_cells(study, Auc()), method),
        tuple(study.cells),
        study.design,
    )
    assert part.cov2 >= part.cov3, "or Hillis' constraint would bind"
    (difference,) = found.differences
    variance = contrast_variance(study, method)
    assert difference.estimate.standard_error**2 == pytest.approx(variance, rel=1e-6)


@pytest.mark.parametrize(
    "kind", ["cases nested in readers", "cases nested in readers and treatments"]
)
def test_readers_of_different_cases_are_independent(kind) -> None:
    """No covariance is left, so random readers and cases are the paired t-test of readers."""
    study = nested(kind, seed=31)
    (found,) = analyse(study, Auc()).differences
    values = figure_of_cells(study, Auc()).values.reshape(2, 6)
    expected = stats.ttest_rel(*values)
    assert (found.test.statistic, found.test.p) == pytest.approx(tuple(expected)[:2])


def test_readers_nested_in_treatments_with_fixed_cases_are_the_t_test_and_anova() -> None:
    study = nested("readers nested in treatments", seed=37)
    (found,) = analyse(study, Auc(), inference=FIXED_CASES).differences
    values = figure_of_cells(study, Auc()).values
    expected = stats.ttest_ind(values[:3], values[3:])
    assert (found.test.statistic, found.test.p) == pytest.approx(tuple(expected)[:2])

    # Three treatments with 2, 3 and 4 readers.
    ratings, truth = ratings_of(treatments=3, readers=9, seed=38)
    owner = np.array([0, 0, 1, 1, 1, 2, 2, 2, 2])
    keep = np.broadcast_to(owner[None, :, None] == np.arange(3)[:, None, None], ratings.shape)
    uneven = study_of(as_table(ratings, truth, keep))
    overall = analyse(uneven, Auc(), inference=FIXED_CASES).overall
    values = figure_of_cells(uneven, Auc()).values
    expected = stats.f_oneway(*(values[np.sort(owner) == treatment] for treatment in range(3)))
    assert overall is not None
    assert (overall.statistic, overall.p) == pytest.approx(tuple(expected))


def test_unequal_groups_weigh_covariances_by_pairs_of_readers() -> None:
    ratings, truth = ratings_of(readers=5, fractured=24, healthy=30, seed=41)
    group = np.array([0, 0, 0, 1, 1])
    keep = np.broadcast_to((np.arange(54) % 2) == group[:, None], ratings.shape)
    study = study_of(as_table(ratings, truth, keep))
    found = analyse(study, Auc(), covariance="jackknife")
    measured = figure_of_cells(study, Auc())
    matrix = covariance_of_cells(study, Auc(), measured, "jackknife")
    values = measured.values.reshape(2, 5)
    gap = values[0] - values[1]
    inside = np.concatenate([gap[group == g] - gap[group == g].mean() for g in (0, 1)])
    square = (inside**2).sum() / 2 / (5 - 2)
    pairs = [(i, j) for i in range(5) for j in range(5) if i != j and group[i] == group[j]]
    shared = np.mean([matrix[i, j] + matrix[5 + i, 5 + j] for i, j in pairs]) / 2
    crossed = np.mean([matrix[i, 5 + j] + matrix[5 + i, j] for i, j in pairs]) / 2
    variance = 2 / 5 * (square + (9 + 4) / 5 * max(shared - crossed, 0))
    (difference,) = found.differences
    assert difference.estimate.standard_error == pytest.approx(np.sqrt(variance))


def test_missing_ratings_are_refused_or_make_a_partially_paired_study() -> None:
    ratings, truth = ratings_of(seed=43)
    keep = np.ones(ratings.shape, dtype=bool)
    keep[1, 2, 5] = False
    table = as_table(ratings, truth, keep)
    with pytest.raises(DataError, match=r"1 gaps, such as case 'c5', reader 'r2', treatment 't1'"):
        study_of(table)
    study = study_of(table, allow_missing=True)
    found = analyse(study, Auc())
    assert (found.design, found.covariance) == ("partially paired", "jackknife")
    left = np.delete(np.arange(truth.size), 5)
    value = next(v for v in found.reader_values if (v.reader, v.treatment) == ("r2", "t1"))
    assert value.estimate.value == pytest.approx(roc_auc_score(truth[left], ratings[1, 2, left]))
    with pytest.raises(DataError, match="jackknife or unbiased"):
        analyse(study, Auc(), covariance="delong")


def test_labels_and_order_of_rows_do_not_matter() -> None:
    ratings, truth = ratings_of(seed=47)
    plain = as_table(ratings, truth)
    odd = as_table(
        ratings, truth, reader_names=["Ümit", "10", "9", "007"],
        case_names=lambda i, j, k: f"{(k * 37) % 101}",
    )  # fmt: skip
    shuffled = odd.take(np.random.default_rng(0).permutation(len(odd)))
    first, second = (analyse(study_of(one), Auc()) for one in (plain, shuffled))
    assert first.differences[0].estimate.value == pytest.approx(
        second.differences[0].estimate.value
    )
    assert first.differences[0].test.p == pytest.approx(second.differences[0].test.p)


def test_increasing_transforms_and_the_order_of_treatments() -> None:
    ratings, truth = ratings_of(seed=53)
    plain = analyse(crossed_study(ratings, truth), Auc()).differences[0]
    curved = analyse(crossed_study(np.exp(ratings), truth), Auc()).differences[0]
    swapped = analyse(crossed_study(ratings[::-1], truth), Auc()).differences[0]
    assert curved == plain
    assert swapped.estimate.value == pytest.approx(-plain.estimate.value)
    assert swapped.test.p == pytest.approx(plain.test.p)


def test_identical_treatments_do_not_differ() -> None:
    ratings, truth = ratings_of(treatments=1, seed=59)
    (found,) = analyse(crossed_study(np.repeat(ratings, 2, axis=0), truth), Auc()).differences
    assert (found.estimate.value, found.test.p) == (0.0, 1.0)


def test_perfect_readers_have_no_interval() -> None:
    study = crossed_study(np.tile([1.0, 2.0, 3.0, 4.0], (2, 3, 1)), [0, 0, 1, 1])
    found = analyse(study, Auc())
    assert [(one.estimate.value, one.estimate.low) for one in found.means] == [(1.0, None)] * 2
    assert found.differences[0].test.p == 1.0


def test_one_random_reader_is_refused_with_the_reason() -> None:
    ratings, truth = ratings_of(readers=1)
    with pytest.raises(DataError, match="one reader says nothing of other readers"):
        analyse(crossed_study(ratings, truth), Auc())


@pytest.mark.parametrize(
    ("readers", "inference", "is_said"),
    [(3, RANDOM, True), (4, RANDOM, False), (3, FIXED_READERS, False)],
)
def test_three_random_readers_come_with_a_warning(readers, inference, is_said) -> None:
    ratings, truth = ratings_of(readers=readers)
    notes = analyse(crossed_study(ratings, truth), Auc(), inference=inference).notes
    assert any("with care" in note for note in notes) == is_said


def test_one_treatment_has_a_mean_and_nothing_to_compare() -> None:
    ratings, truth = ratings_of(treatments=1)
    found = analyse(crossed_study(ratings, truth), Auc())
    assert found.overall is None
    assert found.differences == ()
    assert found.means[0].estimate.value == pytest.approx(aucs(ratings, truth).mean())


def test_a_reader_with_one_fractured_case_is_refused() -> None:
    ratings, truth = ratings_of(fractured=1)
    with pytest.raises(DataError, match="needs two fractured cases"):
        analyse(crossed_study(ratings, truth), Auc())


def test_covariances_of_areas_are_not_taken_for_shares() -> None:
    ratings, truth = ratings_of()
    with pytest.raises(DataError, match="serve areas only"):
        analyse(crossed_study(ratings, truth), Sensitivity(3), covariance="delong")


def test_the_document_holds_the_very_numbers() -> None:
    ratings, truth = ratings_of(treatments=3)
    found = analyse(crossed_study(ratings, truth), Auc())
    document = found.as_document()
    assert len(document["differences"]) == 3
    assert document["differences"][2]["p"] == found.differences[2].test.p
    assert document["overall"]["p"] == found.overall.p
    assert "Obuchowski-Rockette, random readers and cases, delong" in found.as_text()
