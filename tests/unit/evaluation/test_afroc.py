"""AFROC against sums over all pairs, and by its laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as scipy_bootstrap
from sklearn.metrics import roc_auc_score

from fracturax.core.errors import DataError
from fracturax.evaluation import (
    FreeResponse,
    ImageDetections,
    afroc,
    afroc_area,
    auroc,
    free_response,
    match_images,
)

MISSED = -np.inf


def random_response(seed, *, images=30, is_coarse=True):
    generator = np.random.default_rng(seed)
    per_image = generator.integers(0, 4, images) * (generator.random(images) < 0.5)
    per_image[:2] = 0, 2

    def ratings(size, shift, marked):
        values = generator.normal(shift, 1, size)
        values = np.round(values) if is_coarse else values
        return np.where(generator.random(size) < marked, values, MISSED)

    image = np.repeat(np.arange(images), per_image)
    weight = generator.random(image.size) + 0.1
    weight = weight / np.bincount(image, weights=weight, minlength=images)[image]
    return FreeResponse(ratings(images, 0, 0.6), image, ratings(image.size, 1, 0.8), weight)


def area_of_pairs(response, *, weighted, over):
    """Chakraborty's figure of merit, as a sum over pairs of a fracture and an image."""
    abnormal = set(response.lesion_image.tolist())
    wrong = [
        rating
        for image, rating in enumerate(response.false_rating)
        if over == "all" or image not in abnormal
    ]
    total = weight_sum = 0.0
    for rating, weight in zip(response.lesion_rating, response.lesion_weight, strict=True):
        share = weight if weighted else 1.0
        weight_sum += share
        for other in wrong:
            total += share * (1.0 if rating > other else 0.5 if rating == other else 0.0)
    return total / weight_sum / len(wrong)


@given(st.integers(0, 2**31), st.booleans(), st.booleans(), st.sampled_from(["normal", "all"]))
@settings(max_examples=80, deadline=None)
def test_the_area_is_the_sum_over_all_pairs(seed, is_coarse, weighted, over):
    response = random_response(seed, is_coarse=is_coarse)
    curve = afroc(response, weighted=weighted, over=over)
    expected = area_of_pairs(response, weighted=weighted, over=over)
    assert curve.area == pytest.approx(expected, abs=1e-12)
    assert 0 <= curve.area <= 1
    for axis in (curve.false_positive_fraction, curve.sensitivity):
        assert axis[0] == 0
        assert axis[-1] == 1
        assert (np.diff(axis) >= 0).all()


def test_every_point_is_what_its_threshold_shows():
    response = random_response(7)
    curve = afroc(response)
    normal = ~response.is_abnormal
    for threshold, wrong, found in zip(
        curve.thresholds[:-1],
        curve.false_positive_fraction[:-1],
        curve.sensitivity[:-1],
        strict=True,
    ):
        assert wrong == pytest.approx((response.false_rating[normal] >= threshold).mean())
        share = [
            response.lesion_weight[
                (response.lesion_image == image) & (response.lesion_rating >= threshold)
            ].sum()
            for image in np.flatnonzero(~normal)
        ]
        assert found == pytest.approx(np.mean(share))


def test_one_fracture_an_image_rated_everywhere_is_an_ordinary_auroc():
    generator = np.random.default_rng(1)
    label = generator.integers(0, 2, 200)
    score = np.round(generator.normal(label, 1), 1)
    response = FreeResponse(
        np.where(label == 0, score, MISSED), np.flatnonzero(label), score[label == 1]
    )
    for weighted in (True, False):
        area = afroc(response, weighted=weighted).area
        assert area == pytest.approx(roc_auc_score(label, score), abs=1e-12)
        assert area == pytest.approx(auroc(label, score), abs=1e-12)


def test_perfect_silent_and_useless_readers():
    image = np.array([2, 2, 3])
    perfect = FreeResponse(np.full(4, MISSED), image, np.array([0.1, 0.2, 0.3]))
    assert afroc(perfect).area == 1
    silent = FreeResponse(np.full(4, MISSED), image, np.full(3, MISSED))
    assert afroc(silent).area == 0.5
    useless = FreeResponse(np.array([0.9, 0.9, MISSED, MISSED]), image, np.full(3, MISSED))
    assert afroc(useless).area == 0


def test_the_weighted_curve_counts_images_and_the_other_fractures():
    # Three of four fractures found, but all in one of two images.
    response = FreeResponse(
        np.full(3, MISSED), np.array([1, 1, 1, 2]), np.array([0.9, 0.9, 0.9, MISSED])
    )
    assert afroc(response, weighted=True).sensitivity.tolist() == [0, 0.5, 1]
    assert afroc(response, weighted=False).sensitivity.tolist() == [0, 0.75, 1]


@given(st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_only_the_order_of_ratings_matters(seed):
    response = random_response(seed)

    def raised(ratings):
        return np.where(np.isinf(ratings), MISSED, np.exp(ratings) * 3 - 7)

    moved = FreeResponse(
        raised(response.false_rating),
        response.lesion_image,
        raised(response.lesion_rating),
        response.lesion_weight,
    )
    assert afroc(moved).area == afroc(response).area


def test_weights_are_repeated_images():
    response = random_response(11)
    times = np.random.default_rng(0).integers(0, 3, response.false_rating.size)
    times[:2] = 1
    rows = np.repeat(np.arange(times.size), times)
    image, rating, weight = [], [], []
    for new, old in enumerate(rows):
        own = response.lesion_image == old
        image += [new] * int(own.sum())
        rating += response.lesion_rating[own].tolist()
        weight += response.lesion_weight[own].tolist()
    repeated = FreeResponse(
        response.false_rating[rows], np.array(image), np.array(rating), np.array(weight)
    )
    for weighted in (True, False):
        got = afroc(response, weighted=weighted, weights=times).area
        assert got == pytest.approx(afroc(repeated, weighted=weighted).area, abs=1e-12)
    assert np.isnan(afroc(response, weights=response.is_abnormal).area)


def test_ratings_of_detections_are_the_best_of_each_fracture_and_the_worst_false_one():
    boxes = np.array([[0.0, 0, 10, 10], [50, 50, 60, 60]])
    seen = np.array([[0.0, 0, 10, 9], [0, 0, 10, 10], [80, 80, 90, 90], [81, 81, 90, 90]])
    image = ImageDetections("a", "1", seen, np.array([0.9, 0.8, 0.3, 0.4]), boxes)
    false = free_response(match_images([image], thresholds=[0.5]))
    assert false.lesion_rating.tolist() == [0.9, MISSED]
    assert false.false_rating.tolist() == [0.8]
    ignored = free_response(match_images([image], thresholds=[0.5], repeats="ignored"))
    assert ignored.lesion_rating.tolist() == [0.9, MISSED]
    assert ignored.false_rating.tolist() == [0.4]


def test_the_jackknife_is_that_of_deleting_patients_in_words():
    response = random_response(3, images=40, is_coarse=False)
    patients = np.arange(40) // 2
    row = afroc_area(response, patients)
    without = []
    for patient in range(20):
        kept = np.flatnonzero(patients != patient)
        own = np.isin(response.lesion_image, kept)
        left = FreeResponse(
            response.false_rating[kept],
            np.searchsorted(kept, response.lesion_image[own]),
            response.lesion_rating[own],
            response.lesion_weight[own],
        )
        without.append(area_of_pairs(left, weighted=True, over="normal"))
    error = np.sqrt(19 / 20 * ((np.array(without) - np.mean(without)) ** 2).sum())
    reach = 2.093024054408263  # t, 19 degrees of freedom, from a table
    value = area_of_pairs(response, weighted=True, over="normal")
    assert row.value == pytest.approx(value)
    assert row.low == pytest.approx(value - reach * error)
    assert row.high == pytest.approx(min(value + reach * error, 1))


def test_the_bootstrap_agrees_with_that_of_scipy():
    response = random_response(5, images=120, is_coarse=False)
    generator = np.random.default_rng(0)
    row = afroc_area(response, np.arange(120), generator=generator, resamples=800)

    def area(rows):
        return afroc(response, weights=np.bincount(rows, minlength=120)).area

    expected = scipy_bootstrap(
        (np.arange(120),),
        area,
        method="percentile",
        n_resamples=800,
        vectorized=False,
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert row.low == pytest.approx(expected.low, abs=0.015)
    assert row.high == pytest.approx(expected.high, abs=0.015)
    jackknife = afroc_area(response, np.arange(120))
    width = row.high - row.low
    assert jackknife.high - jackknife.low == pytest.approx(width, rel=0.15)
    assert (row.metric, row.n) == ("wafroc_area", 120)
    assert afroc_area(response, np.arange(120), weighted=False, over="all").metric == "afroc1_area"


@pytest.mark.parametrize(
    ("false", "image", "lesion", "weight", "words"),
    [
        ([0.1, np.nan], [1], [0.5], None, r"a false rating is no number; got nan in row 2"),
        ([0.1, 0.2], [1], [np.inf], None, "a lesion rating is no number"),
        ([0.1, 0.2], [2], [0.5], None, "each in one of the images"),
        ([0.1, 0.2], [], [], None, "there must be fractures"),
        ([0.1, 0.2], [1, 1], [0.5, 0.5], [0.5, 0.6], "sum to 1"),
        ([0.1, 0.2], [1, 1], [0.5, 0.5], [1.5, -0.5], "must be positive"),
        ([0.1, 0.2], [1, 1], [0.5], None, "one image a fracture"),
    ],
)
def test_wrong_ratings_are_refused(false, image, lesion, weight, words):
    with pytest.raises(DataError, match=words):
        FreeResponse(
            np.array(false),
            np.array(image, dtype=int),
            np.array(lesion),
            None if weight is None else np.array(weight),
        )


def test_wrong_questions_are_refused():
    only_abnormal = FreeResponse(np.array([0.1, 0.2]), np.array([0, 1]), np.array([0.5, 0.6]))
    with pytest.raises(DataError, match="no normal image"):
        afroc(only_abnormal)
    assert afroc(only_abnormal, over="all").area == 1
    with pytest.raises(DataError, match="'normal' or 'all'"):
        afroc(only_abnormal, over="some")
    response = random_response(0)
    with pytest.raises(DataError, match="weights need"):
        afroc(response, weights=[1.0])
    with pytest.raises(DataError, match="one value an image"):
        afroc_area(response, [1, 2])
