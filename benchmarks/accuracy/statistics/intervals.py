"""Do the intervals cover, and do the tests hold their size? Simulated, the truth known.

    python benchmarks/accuracy/statistics/intervals.py [--replicates 5000] [--out DIR]

Writes `intervals.json` and `intervals.md` beside itself. Scores are binormal (healthy N(0, 1),
fractured N(1.5, 1)), probabilities are calibrated, and the true value of every number comes from
their distribution by integration. Classes are drawn, so that their sizes vary. Cells:
  n = 100 and n = 400 with 30 % fractured, and a rare class: n = 400 with 5 % fractured.
Bootstrap intervals (500 resamples each) are simulated on a tenth of the replicates.
Clustered: patients with four images of one label whose scores share the patient; both models are
equally good, so that a test should reject in 5 %.
A replicate without an interval (all right, perfect separation) is counted beside, not as covered.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtr

from fracturax.evaluation.binary import binary_evaluation
from fracturax.evaluation.bootstrap import group_bootstrap_tallies, group_bootstrap_weighted
from fracturax.evaluation.brier import brier_interval
from fracturax.evaluation.calibration_line import calibration_line
from fracturax.evaluation.classification import (
    auroc_interval,
    auroc_of_weights,
    sensitivity,
)
from fracturax.evaluation.comparison import delong_test, mcnemar_p
from fracturax.evaluation.confusion import (
    BINARY_METRICS,
    ConfusionTable,
    binary_values,
    predictive_values,
)
from fracturax.evaluation.multiclass import ConfusionMatrix, multiclass_evaluation
from fracturax.evaluation.multiclass_auroc import multiclass_auroc
from fracturax.evaluation.paired_proportions import tango_interval
from fracturax.evaluation.partial_auc import partial_auc_interval
from fracturax.evaluation.precision_recall import auprc_interval
from fracturax.evaluation.result import Evaluation, Row

HERE = Path(__file__).parent
SHIFT = 1.5
THRESHOLD = 0.9
PREVALENCE_ELSEWHERE = 0.1
CELLS = (("n = 100", 100, 0.3), ("n = 400", 400, 0.3), ("rare: n = 400, 5 %", 400, 0.05))
FloatArray = npt.NDArray[np.float64]
Truth = dict[str, float]
Drawn = tuple[npt.NDArray[np.int64], FloatArray, FloatArray]
"""Reference, score and calibrated probability of a replicate."""


def probability_of(score: FloatArray, prevalence: float) -> FloatArray:
    """Return the true probability of a fracture at a score."""
    return np.asarray(expit(SHIFT * score - SHIFT**2 / 2 + logit(prevalence)))


def draw(generator: np.random.Generator, n: int, prevalence: float) -> Drawn:
    """Draw a replicate; one with fewer than two of a class is drawn anew."""
    while True:
        reference = (generator.uniform(size=n) < prevalence).astype(np.int64)
        if 2 <= reference.sum() <= n - 2:
            score = generator.normal(size=n) + SHIFT * reference
            return reference, score, probability_of(score, prevalence)


def true_values(prevalence: float) -> Truth:
    """Return what every number is in the population."""
    sens, spec = 1 - ndtr(THRESHOLD - SHIFT), ndtr(THRESHOLD)
    cells = np.array(
        [
            prevalence * sens,
            (1 - prevalence) * (1 - spec),
            prevalence * (1 - sens),
            (1 - prevalence) * spec,
        ]
    )
    truth = dict(zip(BINARY_METRICS, binary_values(cells[None])[0].tolist(), strict=True))
    ppv, npv = predictive_values(sens, spec, PREVALENCE_ELSEWHERE)
    truth[f"ppv@{PREVALENCE_ELSEWHERE:g}"] = float(ppv)
    truth[f"npv@{PREVALENCE_ELSEWHERE:g}"] = float(npv)
    grid = np.linspace(-9, 11, 200_001)
    step = grid[1] - grid[0]
    healthy = np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi)
    fractured = np.exp(-((grid - SHIFT) ** 2) / 2) / math.sqrt(2 * math.pi)
    found, alarms = prevalence * (1 - ndtr(grid - SHIFT)), (1 - prevalence) * (1 - ndtr(grid))
    precision = np.divide(found, found + alarms, out=np.ones_like(found), where=found > 1e-300)
    chance = probability_of(grid, prevalence)
    density = prevalence * fractured + (1 - prevalence) * healthy
    truth["auroc"] = float(ndtr(SHIFT / math.sqrt(2)))
    truth["auprc"] = float((precision * fractured).sum() * step)
    truth["brier"] = float((chance * (1 - chance) * density).sum() * step)
    truth |= {
        "calibration_slope": 1.0,
        "calibration_intercept": 0.0,
        "expected_to_observed": 1.0,
    }
    right = np.linspace(0, 0.2, 20_001)
    heights = 1 - ndtr(np.maximum(-_normal_inverse(right), -40) - SHIFT)
    part = float(((heights[1:] + heights[:-1]) / 2).sum() * (right[1] - right[0]))
    truth["partial_auc@specificity 0.8-1"] = (1 + (part - 0.02) / (0.2 - 0.02)) / 2
    return truth


def _normal_inverse(share: FloatArray) -> FloatArray:
    from scipy.special import ndtri

    return np.asarray(ndtri(share))


@cache
def of_table(tp: int, fp: int, fn: int, tn: int, method: str) -> Evaluation:
    """Return the numbers of a 2 x 2 table; tables repeat among replicates."""
    kind = "wilson" if method == "wilson" else "clopper-pearson"
    return binary_evaluation(
        ConfusionTable(tp, fp, fn, tn), method=kind, prevalence=PREVALENCE_ELSEWHERE
    )


def quick_rows(drawn: Drawn) -> Iterator[Row]:
    """Yield every row whose interval has a formula."""
    reference, score, probability = drawn
    table = ConfusionTable.of(reference, score >= THRESHOLD)
    counts = (table.tp, table.fp, table.fn, table.tn)
    yield from of_table(*counts, "wilson").rows
    for row in of_table(*counts, "clopper-pearson").rows:
        if row.method.startswith("Clopper-Pearson exact"):
            yield row
    yield auroc_interval(reference, score)
    yield auprc_interval(reference, score)
    yield brier_interval(reference, probability)
    if score[reference == 1].min() < score[reference == 0].max():
        yield from calibration_line(reference, probability).rows


def bootstrap_rows(drawn: Drawn, generator: np.random.Generator) -> Iterator[Row]:
    """Yield rows whose interval is drawn."""
    reference, score, _ = drawn
    n = reference.size
    area = auroc_of_weights(reference, score)
    value = area(np.ones(n))
    for bca in (True, False):
        found = group_bootstrap_weighted(
            np.arange(n), area, generator=generator, resamples=500, strata=reference, bca=bca
        )
        yield Row("auroc", value, *found.interval(), n, f"{found.method}, stratified")
    yield partial_auc_interval(reference, score, generator=generator, low=0.8, resamples=500)
    right = (score >= THRESHOLD) == reference
    tallies = np.column_stack([right, np.ones(n)])
    found = group_bootstrap_tallies(
        np.arange(n),
        tallies,
        lambda sums: sums[:, :1] / sums[:, 1:],
        generator=generator,
        resamples=500,
    )
    yield Row("accuracy", float(right.mean()), *found.interval(), n, found.method)


class Counter:
    """How often each interval covered, was too high, too low, or was not there."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._counts: dict[tuple[str, str], list[int]] = {}

    def add(self, row: Row) -> None:
        """Count one interval."""
        counts = self._counts.setdefault((row.metric, row.method), [0, 0, 0, 0])
        truth = self._truth[row.metric]
        if row.low is None or row.high is None:
            counts[3] += 1
        else:
            counts[0 if row.low <= truth <= row.high else 1 if row.low > truth else 2] += 1

    def rows(self, cell: str) -> list[dict[str, object]]:
        """Return one document an interval."""
        documents = []
        for (metric, method), (inside, above, below, none) in self._counts.items():
            total = inside + above + below
            coverage = inside / total if total else math.nan
            documents.append(
                {
                    "cell": cell,
                    "metric": metric,
                    "method": method,
                    "coverage": coverage,
                    "standard_error": math.sqrt(coverage * (1 - coverage) / total)
                    if total
                    else None,
                    "too_high": above,
                    "too_low": below,
                    "without_interval": none,
                    "replicates": total + none,
                }
            )
        return documents


def simulate_cell(
    name: str, n: int, prevalence: float, replicates: int, generator: np.random.Generator
) -> list[dict[str, object]]:
    """Simulate one cell."""
    counter = Counter(true_values(prevalence))
    for replicate in range(replicates):
        drawn = draw(generator, n, prevalence)
        for row in quick_rows(drawn):
            counter.add(row)
        if replicate % 10 == 0:
            for row in bootstrap_rows(drawn, generator):
                counter.add(row)
    return counter.rows(name)


def simulate_multiclass(replicates: int, generator: np.random.Generator) -> list[dict[str, object]]:
    """Simulate three classes, 200 cases; the truth from 200,000 of them."""
    labels = ("none", "simple", "complex")

    def three(n: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
        truth = generator.choice(3, size=n, p=(0.5, 0.3, 0.2))
        weight = np.exp(1.5 * np.eye(3)[truth] + generator.normal(size=(n, 3)))
        return truth, weight / weight.sum(axis=1, keepdims=True)

    def numbers(truth: npt.NDArray[np.int64], probability: FloatArray) -> list[Row]:
        names = np.array(labels)
        matrix = ConfusionMatrix.of(names[truth], names[probability.argmax(axis=1)], labels=labels)
        rows = multiclass_evaluation(matrix, kappa_weights="quadratic").rows
        areas = multiclass_auroc(names[truth], probability, labels=labels).rows
        wanted = ("accuracy", "kappa", "kappa_quadratic", "macro", "auroc")
        return [row for row in (*rows, *areas) if row.metric.startswith(wanted)]

    counter = Counter({row.metric: row.value for row in numbers(*three(200_000))})
    for _ in range(replicates):
        for row in numbers(*three(200)):
            counter.add(row)
    return counter.rows("3 classes: n = 200")


def simulate_clustered(replicates: int, generator: np.random.Generator) -> list[dict[str, object]]:
    """Simulate patients with four images: coverage, and size of the paired tests."""
    patients, images = 100, 4
    truth = {"auroc": float(ndtr(SHIFT / math.sqrt(2))), "sensitivity": 1 - ndtr(THRESHOLD - SHIFT)}
    counter = Counter({name: float(value) for name, value in truth.items()})
    groups = np.repeat(np.arange(patients), images)
    names = ("DeLong paired, by groups (Obuchowski)", "DeLong paired, plain")
    rejected = dict.fromkeys(names, 0)
    for _ in range(replicates):
        of_patient = (generator.uniform(size=patients) < 0.3).astype(np.int64)
        if not 2 <= of_patient.sum() <= patients - 2:
            continue
        reference = of_patient[groups]
        shared = math.sqrt(0.6) * generator.normal(size=(2, patients))[:, groups]
        own = math.sqrt(0.4) * generator.normal(size=(2, groups.size))
        a, b = shared + own + SHIFT * reference
        counter.add(auroc_interval(reference, a, groups=groups))
        counter.add(auroc_interval(reference, a))
        counter.add(sensitivity(reference, a, THRESHOLD, groups=groups))
        counter.add(sensitivity(reference, a, THRESHOLD))
        for name, keys in zip(names, (groups, None), strict=True):
            rejected[name] += delong_test(reference, a, b, groups=keys).p < 0.05
    cell = "100 patients of 4 images"
    return [*counter.rows(cell), *_sizes(cell, rejected, replicates)]


def simulate_pairs(replicates: int, generator: np.random.Generator) -> list[dict[str, object]]:
    """Simulate two models on the same images: DeLong's, McNemar's and Tango's."""
    n = 100
    rejected = {"DeLong paired": 0, "McNemar mid-p": 0, "McNemar exact": 0}
    counter = Counter({"difference": 0.0})
    for _ in range(replicates):
        reference, _, _ = draw(generator, n, 0.3)
        shared, own = generator.normal(size=n), generator.normal(size=(2, n))
        a, b = math.sqrt(0.5) * (shared + own) + SHIFT * reference
        rejected["DeLong paired"] += delong_test(reference, a, b).p < 0.05
        right = (a >= THRESHOLD) == reference, (b >= THRESHOLD) == reference
        only = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
        rejected["McNemar mid-p"] += mcnemar_p(*only) < 0.05
        rejected["McNemar exact"] += mcnemar_p(*only, method="exact") < 0.05
        low, high = tango_interval(*only, n)
        counter.add(Row("difference", (only[0] - only[1]) / n, low, high, n, "Tango score, 95%"))
    cell = "two models, n = 100"
    return [*counter.rows(cell), *_sizes(cell, rejected, replicates)]


def _sizes(cell: str, rejected: dict[str, int], replicates: int) -> list[dict[str, object]]:
    return [
        {
            "cell": cell,
            "metric": "size at 0.05",
            "method": name,
            "rejected": count / replicates,
            "standard_error": math.sqrt(0.05 * 0.95 / replicates),
            "replicates": replicates,
        }
        for name, count in rejected.items()
    ]


def as_markdown(documents: list[dict[str, object]]) -> str:
    """Return the table for the docs."""
    lines = [
        "| cell | number | method | coverage or size | without interval | replicates |",
        "|:--|:--|:--|--:|--:|--:|",
    ]
    for one in documents:
        share = 100 * float(str(one.get("coverage", one.get("rejected"))))
        lines.append(
            f"| {one['cell']} | {one['metric']} | {one['method']} | {share:.1f} % "
            f"| {one.get('without_interval', '')} | {one['replicates']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Simulate everything and write both files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--replicates", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    started = time.perf_counter()
    seeds = np.random.SeedSequence(options.seed).spawn(len(CELLS) + 3)
    generators = [np.random.default_rng(seed) for seed in seeds]
    documents: list[dict[str, object]] = []
    parts: list[Callable[[np.random.Generator], list[dict[str, object]]]] = [
        *(
            lambda generator, cell=cell: simulate_cell(*cell, options.replicates, generator)
            for cell in CELLS
        ),
        lambda generator: simulate_multiclass(options.replicates, generator),
        lambda generator: simulate_clustered(options.replicates, generator),
        lambda generator: simulate_pairs(options.replicates, generator),
    ]
    for part, generator in zip(parts, generators, strict=True):
        begun = time.perf_counter()
        documents += part(generator)
        print(f"{documents[-1]['cell']}: {time.perf_counter() - begun:.0f} s", flush=True)
    document = {
        "what": "coverage of 95 % intervals, and share of rejections of tests under no difference",
        "replicates": options.replicates,
        "seed": options.seed,
        "seconds": time.perf_counter() - started,
        "rows": documents,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=1) + "\n"
    (options.out / "intervals.json").write_text(text, encoding="utf-8")
    (options.out / "intervals.md").write_text(as_markdown(documents), encoding="utf-8")
    print(as_markdown(documents))


if __name__ == "__main__":
    main()
