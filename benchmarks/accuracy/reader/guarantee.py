"""Is a guarantee kept? A thousand simulated sites calibrate the radiograph model and are checked.

    python benchmarks/accuracy/reader/guarantee.py

The out-of-fold predictions of `accuracy/xray` are the population. Each simulated site draws cases
from it with replacement, sets its thresholds by `prove_triage`, and is checked against the whole
population: is the share of right answers below what was promised? Done for promises and sizes of
the sample; and the curve of doubt against the promise. Writes `guarantee.json` and `guarantee.md`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from fracturax.evaluation import PredictionTable
from fracturax.evaluation.guarantee import Promise, Triage, doubt_curve, prove_triage

HERE = Path(__file__).parent
TABLE = HERE.parent / "xray" / "out_of_fold.csv"
SITES, SEED = 1000, 0
SIZES = (500, 1000, 2000)
PROMISES = (Promise(0.7, 0.95), Promise(0.75, 0.95), Promise(0.8, 0.96))

Values = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def is_broken(triage: Triage, probability: Values, reference: Labels, promise: Promise) -> bool:
    """Whether answers about the population are right less often than promised."""
    ill = reference[probability >= triage.high]
    well = reference[probability < triage.low]
    return bool(
        (triage.high < 1 and ill.size and ill.mean() < promise.ppv)
        or (triage.low > 0 and well.size and 1 - well.mean() < promise.npv)
    )


def doubt(triage: Triage, probability: Values) -> float:
    """Return the share of the population that gets no answer."""
    return float(((probability >= triage.low) & (probability < triage.high)).mean())


def simulate(
    probability: Values, reference: Labels, promise: Promise, size: int
) -> dict[str, object]:
    """Let sites of one size calibrate, and check them."""
    generator = np.random.default_rng([SEED, size, round(1000 * promise.ppv)])
    broken, both, doubts = 0, 0, []
    for _ in range(SITES):
        rows = generator.integers(len(probability), size=size)
        triage = prove_triage(probability[rows], reference[rows], promise)
        broken += is_broken(triage, probability, reference, promise)
        both += triage.low > 0 and triage.high < 1
        doubts.append(doubt(triage, probability))
    allowed = 1 - promise.confidence
    test = binomtest(broken, SITES, allowed, alternative="greater")
    return {
        "ppv": promise.ppv,
        "npv": promise.npv,
        "allowed": round(allowed, 6),
        "size": size,
        "sites": SITES,
        "broken": broken,
        "p_more_than_allowed": float(test.pvalue),
        "both_sides_proven": both / SITES,
        "doubt_median": float(np.median(doubts)),
        "doubt_high": float(np.quantile(doubts, 0.9)),
    }


def main() -> None:
    """Run the simulation and write the result files."""
    table = PredictionTable.from_csv(TABLE)
    probability, reference = table.probability, table.reference.astype(np.int64)
    rows = [
        simulate(probability, reference, promise, size) for promise in PROMISES for size in SIZES
    ]
    curve = [
        {"ppv": promise.ppv, "npv": promise.npv, "low": found.low, "high": found.high,
         "doubt": found.abstention}
        for promise, found in doubt_curve(probability, reference)
    ]  # fmt: skip
    result = {"seed": SEED, "population": len(table), "sites": rows, "curve": curve}
    (HERE / "guarantee.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    lines = [
        "| promised PPV, NPV | cases of a site | broken of 1,000 (100 allowed) | both proven | "
        "in doubt, median | 90 % of sites below |",
        "|---|--:|--:|--:|--:|--:|",
        *(
            f"| {row['ppv']:.2f}, {row['npv']:.2f} | {row['size']} | {row['broken']} | "
            f"{row['both_sides_proven']:.0%} | {row['doubt_median']:.0%} | "
            f"{row['doubt_high']:.0%} |"
            for row in rows
        ),
        "",
        "Doubt against the promise, all out-of-fold films as the sample:",
        "",
        "| promised NPV | PPV 0.60 | PPV 0.70 | PPV 0.80 | PPV 0.90 |",
        "|---|--:|--:|--:|--:|",
    ]
    for npv in sorted({one["npv"] for one in curve}):
        cells = " | ".join(f"{one['doubt']:.0%}" for one in curve if one["npv"] == npv)
        lines.append(f"| {npv:.2f} | {cells} |")
    text = "\n".join(lines) + "\n"
    (HERE / "guarantee.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
