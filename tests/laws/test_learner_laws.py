"""Laws of every classical learner: kept as plain arrays it answers as scikit-learn does."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import LeaveOneGroupOut

from fracturax.core.errors import DataError, ModelError
from fracturax.radiomics import LEARNERS, RadiomicsPlan, fit_learner, load_learner, save_learner
from fracturax.radiomics.learners import FittedLearner, scikit_learn_pipeline

NAMES = tuple(f"feature_{number}" for number in range(12))


def synthetic(
    seed: int, *, patients: int = 4, each: int = 45, signal: float = 1.5
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], list[str]]:
    """Features of synthetic cases: two tell the classes apart, one repeats one, one is constant."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, patients * each)
    values = generator.normal(size=(len(labels), len(NAMES)))
    values[:, 2] += signal * labels
    values[:, 5] += signal * labels * generator.normal(1, 0.5, len(labels))
    values[:, 7] = 3 * values[:, 2] + 1e-3 * generator.normal(size=len(labels))
    values[:, 9] = 4.0
    values *= 10.0 ** np.arange(-4, 8)
    return values, labels, [str(case // each) for case in range(len(labels))]


@cache
def fitted(name: str) -> FittedLearner:
    values, labels, groups = synthetic(0)
    return fit_learner(
        name, features=values, feature_names=NAMES, labels=labels, groups=groups, seed=3,
        plan=RadiomicsPlan(), reads="film",
    )  # fmt: skip


@pytest.mark.parametrize("name", LEARNERS)
def test_saved_and_loaded_it_answers_as_scikit_learn(name: str, tmp_path: Path) -> None:
    values, labels, groups = synthetic(0)
    new, _, _ = synthetic(1)
    learner = fitted(name)
    folds = list(LeaveOneGroupOut().split(values, labels, groups))
    pipeline = scikit_learn_pipeline(LEARNERS[name], seed=3)
    peer = CalibratedClassifierCV(pipeline, method="sigmoid", cv=folds, ensemble=False)
    peer.fit(values, labels)
    save_learner(learner, tmp_path / "kept")
    again = load_learner(tmp_path / "kept")
    expected = peer.predict_proba(new)[:, 1]
    assert np.ptp(expected) > 0.3
    np.testing.assert_allclose(learner.probability(new), expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(again.probability(new), learner.probability(new))
    assert again.sha256 == learner.sha256
    assert (again.plan, again.reads) == (learner.plan, "film")
    assert again.operating_points == learner.operating_points
    names = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert names == ["learner.json", "learner.safetensors"]


@pytest.mark.parametrize("name", LEARNERS)
def test_same_seed_same_learner_and_one_by_one_as_together(name: str) -> None:
    values, labels, groups = synthetic(0)
    first = fitted(name)
    second = fit_learner(
        name, features=values, feature_names=NAMES, labels=labels, groups=groups, seed=3,
        plan=RadiomicsPlan(), reads="film",
    )  # fmt: skip
    assert first.sha256 == second.sha256
    together = first.probability(values[:20])
    one_by_one = [first.probability(row[None])[0] for row in values[:20]]
    np.testing.assert_allclose(one_by_one, together, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", LEARNERS)
def test_it_ranks_new_patients_and_never_chooses_what_is_constant_or_repeated(name: str) -> None:
    learner = fitted(name)
    assert 9 not in learner.selected
    assert not {2, 7} <= set(learner.selected)
    new, truth, _ = synthetic(1)
    scores = learner.score(new)
    pairs = scores[truth == 1][:, None] - scores[truth == 0][None]
    assert (pairs > 0).mean() + 0.5 * (pairs == 0).mean() > 0.8


@pytest.mark.parametrize("name", LEARNERS)
def test_scores_against_the_label_make_a_constant_in_doubt(name: str) -> None:
    # In each patient the only feature points the other way than in the two others.
    generator = np.random.default_rng(0)
    labels = np.tile([0, 1], 60)
    groups = np.repeat(["a", "b"], 60)
    way = np.where(groups == "a", 1.0, -1.0)
    values = (way * (2 * labels - 1) * 2 + generator.normal(size=120))[:, None]
    learner = fit_learner(
        name, features=values, feature_names=["x"], labels=labels, groups=groups.tolist(), seed=0
    )
    assert learner.notes
    np.testing.assert_allclose(learner.probability(values), 0.5)
    assert {learner.operating_points.status(one) for one in learner.probability(values)} == {
        "doubt"
    }


@pytest.mark.parametrize("name", LEARNERS)
def test_a_changed_file_is_refused(name: str, tmp_path: Path) -> None:
    learner = fitted(name)
    save_learner(learner, tmp_path)
    arrays = tmp_path / "learner.safetensors"
    whole = arrays.read_bytes()
    arrays.write_bytes(whole[:-8] + bytes(8 * [1]))
    with pytest.raises(ModelError):
        load_learner(tmp_path)
    arrays.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="no learner"):
        load_learner(tmp_path)
    arrays.write_bytes(whole)
    document = tmp_path / "learner.json"
    document.write_text(document.read_text().replace('"slope": ', '"slope": 1'))
    with pytest.raises(ModelError, match="changed"):
        load_learner(tmp_path)


@pytest.mark.parametrize("name", LEARNERS)
def test_wrong_rows_are_refused(name: str) -> None:
    values, labels, groups = synthetic(0)
    given = {"feature_names": NAMES, "labels": labels, "groups": groups, "seed": 0}
    learner = fitted(name)
    with pytest.raises(DataError, match="12 features"):
        learner.score(values[:, :5])
    broken = values.copy()
    broken[3, 2] = np.nan
    with pytest.raises(DataError, match="no number"):
        learner.score(broken)
    with pytest.raises(DataError, match="no number"):
        fit_learner(name, features=broken, **given)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="one patient"):
        fit_learner(name, features=values, **(given | {"groups": ["a"] * len(labels)}))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="both occur"):
        fit_learner(name, features=values, **(given | {"labels": 0 * labels}))  # type: ignore[arg-type]
