"""Selection inside the folds does not fool itself; trees that were tampered with are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fracturax.core.errors import DataError, ModelError, UnknownNameError
from fracturax.radiomics import fit_learner
from fracturax.radiomics.selection import select_features


def test_noise_chosen_inside_the_folds_stays_noise_and_chosen_before_it_does_not() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(120) % 2
    values = generator.normal(size=(120, 600))
    groups = [str(case // 24) for case in range(120)]
    names = [str(number) for number in range(600)]
    honest = fit_learner(
        "logistic", features=values, feature_names=names, labels=labels, groups=groups, seed=0
    )
    before = list(select_features(values, labels))
    fooled = fit_learner(
        "logistic", features=values[:, before], feature_names=[names[one] for one in before],
        labels=labels, groups=groups, seed=0,
    )  # fmt: skip
    assert np.abs(honest.probability(values) - 0.5).max() < 0.3
    assert np.abs(fooled.probability(values[:, before]) - 0.5).mean() > 0.35


def test_no_two_chosen_features_are_more_alike_than_allowed() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 200)
    base = generator.normal(size=(200, 5)) + labels[:, None]
    copies = np.repeat(base, 3, axis=1) + 0.1 * generator.normal(size=(200, 15))
    chosen = select_features(copies, labels, most=10)
    assert len(chosen) == 5
    alike = np.abs(np.corrcoef(copies[:, chosen].T)) - np.eye(5)
    assert alike.max() <= 0.9
    best = max(range(15), key=lambda one: abs(np.corrcoef(copies[:, one], labels)[0, 1]))
    assert chosen[0] == best


def test_a_tree_that_goes_round_in_a_circle_is_refused() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(80) % 2
    learner = fit_learner(
        "gradient_boosting", features=generator.normal(size=(80, 2)) + labels[:, None],
        feature_names=["a", "b"], labels=labels, groups=[str(one // 20) for one in range(80)],
        seed=0,
    )  # fmt: skip
    left = learner.arrays["left"].copy()
    left[left >= 0] = 0
    with pytest.raises(ModelError, match="wrong node"):
        replace(learner, arrays={**learner.arrays, "left": left})
    with pytest.raises(ModelError, match="other arrays"):
        replace(learner, name="svm")


def test_what_cannot_be_learned_from_is_said() -> None:
    labels = np.arange(80) % 2
    values = np.random.default_rng(0).normal(size=(80, 2))
    given = {"feature_names": ["a", "b"], "labels": labels, "seed": 0}
    groups = [str(one // 20) for one in range(80)]
    with pytest.raises(UnknownNameError, match="did you mean 'logistic'"):
        fit_learner("logistics", features=values, groups=groups, **given)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="one class is missing"):
        split = ["a" if label else "b" for label in labels]
        fit_learner("logistic", features=values, groups=split, **given)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="30 cases"):
        few = {"feature_names": ["a", "b"], "labels": labels[:40], "seed": 0}
        fit_learner("logistic", features=values[:40], groups=groups[:40], **few)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no feature differs"):
        fit_learner("logistic", features=0 * values, groups=groups, **given)  # type: ignore[arg-type]
