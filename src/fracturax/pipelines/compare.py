"""Compare: two or more models on the very same cases, with every test that suits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ConfigError, DataError
from fracturax.core.provenance import sha256_of_file, software_version
from fracturax.evaluation.calibration import brier_score
from fracturax.evaluation.classification import auroc, auroc_of_weights
from fracturax.evaluation.comparison import (
    Comparison,
    DelongTest,
    NonInferiority,
    delong_test,
    mcnemar_test,
    non_inferiority,
)
from fracturax.evaluation.multiplicity import benjamini_hochberg, holm
from fracturax.evaluation.precision_recall import auprc
from fracturax.evaluation.resampling_tests import bootstrap_difference, permutation_test
from fracturax.evaluation.table import PredictionTable

MetricName = Literal["auroc", "auprc", "brier", "sensitivity", "specificity", "accuracy"]
METRICS: tuple[MetricName, ...] = (
    "auroc",
    "auprc",
    "brier",
    "sensitivity",
    "specificity",
    "accuracy",
)
"""Numbers whose difference can be bootstrapped; the last three are of the answers."""
_CALLED = {
    "answer fracture or doubt": ("fracture", "doubt"),
    "answer fracture": ("fracture",),
}
BoolArray = npt.NDArray[np.bool_]
Weighted = Callable[[npt.NDArray[np.int64]], float]


@dataclass(frozen=True)
class CompareOptions:
    """How models are compared.

    Args:
        metrics: Numbers whose difference is bootstrapped.
        thresholds: Thresholds stated beforehand; the answers as given are always compared.
        margin: AUROC that the first of two models may lose for it to be no worse; None tests
            no non-inferiority.
        resamples: Bootstrap resamples of patients.
        permutations: Exchanges of the permutation test.
        seed: Seed of everything random.
    """

    metrics: tuple[MetricName, ...] = ("auroc", "auprc", "brier")
    thresholds: tuple[float, ...] = ()
    margin: float | None = None
    resamples: int = 1000
    permutations: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for metric in self.metrics:
            if metric not in METRICS:
                raise ConfigError(
                    "this number cannot be compared", got=metric, cure=f"use {', '.join(METRICS)}"
                )
        for threshold in self.thresholds:
            if not 0 <= threshold <= 1:
                raise ConfigError("a threshold lies in [0, 1]", got=f"{threshold:g}")


@dataclass(frozen=True)
class Tested:
    """One test of two models, with its p-value adjusted for all pairs of models.

    Args:
        a: Name of the first model.
        b: Name of the second.
        test: Which test.
        comparison: Numbers, difference `a - b`, interval and p-value.
        holm: The p-value adjusted by Holm over all pairs, of this test and number.
        benjamini_hochberg: The same by Benjamini and Hochberg.
    """

    a: str
    b: str
    test: str
    comparison: Comparison
    holm: float = float("nan")
    benjamini_hochberg: float = float("nan")


@dataclass(frozen=True)
class ComparisonReport:
    """What a comparison of models says.

    Args:
        models: Names of the models, in the order of the tables.
        tables: File and SHA-256 of each.
        software: Version that computed this.
        options: How they were compared.
        tests: All tests.
        non_inferiority: Whether the first of a pair is no worse than the second, by pair.
        not_computed: What is missing, and why.
        notes: Sentences that belong to the numbers.
    """

    models: tuple[str, ...]
    tables: tuple[tuple[str, str], ...]
    software: str
    options: CompareOptions
    tests: tuple[Tested, ...]
    non_inferiority: tuple[tuple[str, str, NonInferiority], ...]
    not_computed: tuple[str, ...]
    notes: tuple[str, ...]

    def as_document(self) -> dict[str, object]:
        """Return a JSON-able document; no number is rounded."""
        return {
            "models": list(self.models),
            "tables": [{"file": file, "sha256": sha256} for file, sha256 in self.tables],
            "software": self.software,
            "options": asdict(self.options),
            "tests": [
                {
                    "model_a": one.a,
                    "model_b": one.b,
                    "test": one.test,
                    **asdict(one.comparison),
                    "p_holm": one.holm,
                    "p_benjamini_hochberg": one.benjamini_hochberg,
                }
                for one in self.tests
            ],
            "non_inferiority": [
                {"model_a": a, "model_b": b, **asdict(one)} for a, b, one in self.non_inferiority
            ],
            "not_computed": list(self.not_computed),
            "notes": list(self.notes),
        }

    def as_text(self) -> str:
        """Return tables for a terminal, a pair of models each."""
        parts = []
        for a, b in dict.fromkeys((one.a, one.b) for one in self.tests):
            lines = [f"{a} − {b}"]
            for one in self.tests:
                if (one.a, one.b) == (a, b):
                    lines.append(_line(one, is_adjusted=len(self.models) > 2))
            lines += [
                f"  no worse than by {one.margin:g} AUROC: {'' if one.is_shown else 'not '}shown, "
                f"one-sided bound {one.bound:+.4f}, p = {one.p:.4g}"
                for of_a, of_b, one in self.non_inferiority
                if (of_a, of_b) == (a, b)
            ]
            parts.append("\n".join(lines))
        parts += [f"Not computed: {one}" for one in self.not_computed]
        return "\n\n".join([*parts, *self.notes])


def compare(paths: Sequence[Path], options: CompareOptions | None = None) -> ComparisonReport:
    """Compare models by their tables of predictions of the same images.

    Rows are brought together by case and image, in whatever order they stand. Rows of one
    patient are dependent in every test. The difference is the earlier table less the later one:
    name the new model first.

    Args:
        paths: CSV files, one a model, at least two.
        options: How.

    Raises:
        ConfigError: If there are fewer than two tables.
        DataError: If a table is not valid, or tables differ in their images, references or
            patients; names case, row and column.
    """
    chosen = options or CompareOptions()
    if len(paths) < 2:
        raise ConfigError("a comparison needs two tables", got=str(len(paths)))
    tables = [PredictionTable.from_csv(path) for path in paths]
    others = zip(tables[1:], paths[1:], strict=True)
    tables = [tables[0], *(aligned(tables[0], one, name=path.name) for one, path in others)]
    names = _names(tables, paths)
    whole = len(tables[0])
    answered = np.logical_and.reduce([table.is_assessed for table in tables])
    if not answered.any():
        raise DataError("no image was assessed by all models", got=f"{whole} images")
    tables = [table.take(answered) for table in tables]
    tests: list[Tested] = []
    found: list[tuple[str, str, NonInferiority]] = []
    missing: list[str] = []
    for first, second in combinations(range(len(tables)), 2):
        pair = _Pair(tables[first], tables[second], chosen)
        a, b = names[first], names[second]
        for test, make in pair.tests():
            try:
                tests.append(Tested(a, b, test, make()))
            except DataError as error:
                missing.append(f"{test} of {a} and {b}: {error}")
        if chosen.margin is not None:
            found.append((a, b, pair.no_worse(chosen.margin)))
    patients = np.unique(tables[0].patient_key).size
    notes = [
        f"{int(answered.sum())} images of {patients} patients; "
        f"{whole - int(answered.sum())} left out that not every model assessed.",
        f"Bootstrap: {chosen.resamples} resamples, seed {chosen.seed}. "
        "Images of one patient are dependent in every test.",
    ]
    if len(names) > 2:
        notes.append(
            "Adjusted p-values are over all pairs of models, one test and number at a time."
        )
    return ComparisonReport(
        models=tuple(names),
        tables=tuple((path.name, sha256_of_file(path)) for path in paths),
        software=software_version(),
        options=chosen,
        tests=_adjusted(tests),
        non_inferiority=tuple(found),
        not_computed=tuple(missing),
        notes=tuple(notes),
    )


def aligned(first: PredictionTable, other: PredictionTable, *, name: str) -> PredictionTable:
    """Return a table in the order of another, if both are of the same images.

    Args:
        first: Whose order it shall have.
        other: The table.
        name: What it is called in an error.

    Raises:
        DataError: If an image is in one table only, or its reference or patient differs; names
            the case, the row and the column.
    """
    keys = list(zip(first.case.tolist(), first.image.tolist(), strict=True))
    row_of = {
        key: row
        for row, key in enumerate(zip(other.case.tolist(), other.image.tolist(), strict=True))
    }
    for row, key in enumerate(keys, 1):
        if key not in row_of:
            raise DataError(
                f"{name} lacks an image of the first table",
                got=f"case {key[0]!r}, image {key[1]!r}, row {row} of the first table",
                cure="compare models on the same images",
            )
    known = set(keys)
    for key, place in row_of.items():
        if key not in known:
            raise DataError(
                f"{name} holds an image that the first table lacks",
                got=f"case {key[0]!r}, image {key[1]!r} in row {place + 1}",
                cure="compare models on the same images",
            )
    order = np.array([row_of[key] for key in keys])
    for column in ("reference", "patient_key"):
        here, there = getattr(first, column), getattr(other, column)[order]
        wrong = here != there
        if wrong.any():
            row = int(np.argmax(wrong))
            raise DataError(
                f"the column {column!r} of {name} contradicts the first table",
                got=f"{there[row].item()!r} in row {int(order[row]) + 1}, {here[row].item()!r} in "
                f"row {row + 1} of the first, case {keys[row][0]!r}",
                cure="compare models against one reference",
            )
    return other.take(order)


class _Pair:
    """Two tables of the same images, and the tests of them."""

    def __init__(self, a: PredictionTable, b: PredictionTable, options: CompareOptions) -> None:
        self._a, self._b, self._options = a, b, options
        keys = a.patient_key
        # Where each patient has one image the tests for independent images are exact.
        self._groups = None if np.unique(keys).size == keys.size else keys

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(self._options.seed)

    def tests(self) -> list[tuple[str, Callable[[], Comparison]]]:
        """Return each test with its name."""
        tests: list[tuple[str, Callable[[], Comparison]]] = [("DeLong", self._delong)]
        for metric in self._options.metrics:
            if metric in ("auroc", "auprc", "brier"):
                tests.append((f"bootstrap, {metric}", partial(self._bootstrap, metric, None)))
        tests.append(("permutation, auroc", self._permutation))
        for name, called_a, called_b in self._answers():
            for metric in ("sensitivity", "specificity", "accuracy"):
                right = (called_a, called_b)
                tests.append((f"McNemar, {metric}, {name}", partial(self._mcnemar, metric, right)))
                if metric in self._options.metrics:
                    work = partial(self._bootstrap, metric, right)
                    tests.append((f"bootstrap, {metric}, {name}", work))
        return tests

    def no_worse(self, margin: float) -> NonInferiority:
        """Test that the first model loses no more than a margin of AUROC."""
        found = self._delong_test()
        return non_inferiority(found.difference, found.standard_error, margin=margin)

    def _answers(self) -> list[tuple[str, BoolArray, BoolArray]]:
        answers = [
            (name, np.isin(self._a.status, called), np.isin(self._b.status, called))
            for name, called in _CALLED.items()
        ]
        for cut in self._options.thresholds:
            called = (self._a.probability >= cut, self._b.probability >= cut)
            answers.append((f"threshold {cut:g}", *called))
        return answers

    def _delong_test(self) -> DelongTest:
        return delong_test(
            self._a.reference, self._a.probability, self._b.probability, groups=self._groups
        )

    def _delong(self) -> Comparison:
        return self._delong_test().as_comparison()

    def _permutation(self) -> Comparison:
        reference = self._a.reference
        return permutation_test(
            self._a.probability,
            self._b.probability,
            lambda score: auroc(reference, score),
            metric="auroc",
            generator=self._generator(),
            groups=self._groups,
            permutations=self._options.permutations,
        )

    def _mcnemar(self, metric: str, called: tuple[BoolArray, BoolArray]) -> Comparison:
        inside = self._members(metric)
        fractured = self._a.reference == 1
        right_a, right_b = (one[inside] == fractured[inside] for one in called)
        groups = None if self._groups is None else self._groups[inside]
        return mcnemar_test(right_a, right_b, metric=metric, groups=groups)

    def _bootstrap(self, metric: str, called: tuple[BoolArray, BoolArray] | None) -> Comparison:
        if called is None:
            of_a, of_b = (self._weighted(metric, one.probability) for one in (self._a, self._b))
        else:
            of_a, of_b = (self._share(metric, one) for one in called)
        return bootstrap_difference(
            self._a.patient_key,
            of_a,
            of_b,
            metric=metric,
            generator=self._generator(),
            resamples=self._options.resamples,
            interval="percentile",
        )

    def _weighted(self, metric: str, probability: npt.NDArray[np.float64]) -> Weighted:
        reference = self._a.reference
        if metric == "auroc":
            return auroc_of_weights(reference, probability)
        if metric == "auprc":
            return lambda weights: auprc(reference, probability, weights=weights)
        return lambda weights: brier_score(reference, probability, weights=weights)

    def _share(self, metric: str, called: BoolArray) -> Weighted:
        inside = self._members(metric)
        right = inside & (called == (self._a.reference == 1))

        def share(weights: npt.NDArray[np.int64]) -> float:
            total = float(weights @ inside)
            return float(weights @ right) / total if total else float("nan")

        return share

    def _members(self, metric: str) -> BoolArray:
        """Return the rows that a number of answers is of."""
        fractured: BoolArray = self._a.reference == 1
        if metric == "accuracy":
            return np.ones(fractured.shape, dtype=np.bool_)
        return fractured if metric == "sensitivity" else ~fractured


def _names(tables: Sequence[PredictionTable], paths: Sequence[Path]) -> list[str]:
    """Name models as their tables do; by file where that is not clear."""
    named = [np.unique(table.model).tolist() for table in tables]
    if all(len(one) == 1 and one[0] for one in named):
        names = [str(one[0]) for one in named]
        if len(set(names)) == len(names):
            return names
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


def _adjusted(tests: Sequence[Tested]) -> tuple[Tested, ...]:
    """Adjust the p-values of each test over all pairs of models."""
    done: dict[tuple[str, str, str], Tested] = {}
    for test in dict.fromkeys(one.test for one in tests):
        family = [one for one in tests if one.test == test]
        p_values = [one.comparison.p for one in family]
        for one, by_holm, by_rate in zip(
            family, holm(p_values).tolist(), benjamini_hochberg(p_values).tolist(), strict=True
        ):
            done[one.a, one.b, test] = replace(one, holm=by_holm, benjamini_hochberg=by_rate)
    return tuple(done[one.a, one.b, one.test] for one in tests)


def _line(one: Tested, *, is_adjusted: bool) -> str:
    made = one.comparison
    interval = "" if made.low is None else f" ({made.low:+.4f} to {made.high:+.4f})"
    adjusted = f", Holm {one.holm:.4g}, BH {one.benjamini_hochberg:.4g}" if is_adjusted else ""
    return (
        f"  {one.test}: {made.a:.4f} − {made.b:.4f} = {made.difference:+.4f}{interval}, "
        f"p = {made.p:.4g}{adjusted}  [{made.method}, n = {made.n}]"
    )
