"""Images joined into studies and patients against a plain loop, and by law."""

from __future__ import annotations

import numpy as np
import pytest

from fracturax.core.errors import DataError
from fracturax.evaluation.aggregate import aggregate
from fracturax.evaluation.table import PredictionTable


def table_of(n=60, seed=0, **columns):
    generator = np.random.default_rng(seed)
    case = generator.integers(0, 20, n)
    probability = generator.uniform(size=n).round(3)
    missing = generator.uniform(size=n) < 0.2
    status = np.array(["no_fracture", "doubt", "fracture"])[np.digitize(probability, (0.4, 0.7))]
    given = {
        "case": np.array([f"c{one}" for one in case]),
        "image": np.arange(n).astype(str),
        "patient_key": np.array([f"p{one // 2}" for one in case]),
        "reference": (generator.uniform(size=n) < 0.15).astype(np.int64),
        "probability": np.where(missing, np.nan, probability),
        "status": np.where(missing, "not_assessed", status),
        "fold": np.full(n, "0"),
        "model": np.full(n, "xray"),
    }
    return PredictionTable(**(given | columns))


RULES = {
    "max": np.max,
    "mean": np.mean,
    "noisy_or": lambda values: 1 - np.prod(1 - values),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("by", ["case", "patient_key"])
def test_it_is_a_plain_loop(by, rule):
    table = table_of()
    joined = aggregate(table, by, rule=rule)
    keys = getattr(table, by)
    assert joined.case.tolist() == list(dict.fromkeys(keys.tolist()))  # in order of occurrence
    for row, key in enumerate(joined.case.tolist()):
        inside = keys == key
        known = table.probability[inside & table.is_assessed]
        assert joined.reference[row] == table.reference[inside].max()
        if known.size:
            assert joined.probability[row] == pytest.approx(RULES[rule](known))
        else:
            assert joined.status[row] == "not_assessed"
        for status in ("fracture", "doubt", "no_fracture"):
            if status in table.status[inside]:
                assert joined.status[row] == status
                break


def test_joining_single_images_changes_nothing():
    table = table_of(case=np.arange(60).astype(str), patient_key=np.arange(60).astype(str))
    for rule in RULES:
        joined = aggregate(table, "case", rule=rule)
        assert joined.reference.tolist() == table.reference.tolist()
        assert joined.probability == pytest.approx(table.probability, nan_ok=True)


def test_noisy_or_is_never_below_max_which_is_never_below_mean():
    table = table_of(seed=3)
    values = [aggregate(table, "case", rule=rule).probability for rule in RULES]
    known = ~np.isnan(values[0])
    assert (values[0][known] >= values[1][known] - 1e-12).all()
    assert (values[2][known] >= values[0][known] - 1e-12).all()


def test_what_does_not_belong_together_is_named():
    folds = np.where(np.arange(60) == 17, "1", "0")
    with pytest.raises(DataError, match=r"'fold' differs within one case.*row"):
        aggregate(table_of(fold=folds), "case")
    with pytest.raises(DataError, match="'patient_key' differs"):
        aggregate(table_of(patient_key=np.arange(60).astype(str)), "case")
    with pytest.raises(DataError, match="'median'"):
        aggregate(table_of(), "case", rule="median")
