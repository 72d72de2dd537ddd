"""Size, coverage and power of the reader-study tests, by Roe and Metz's simulation.

    python benchmarks/accuracy/statistics/readers.py [--out FOLDER] [--replicates 5000]
        [--cells SUBSTRING] [--seed 0]

Ratings are sums of independent normal effects of reader, case, reader by case and the rest, each
also in interaction with the treatment, on fractured cases shifted by the skill (Roe & Metz,
Academic Radiology 4:298-303 and 4:587-600, 1997). Their four structures: H or L for the
correlation that cases make, H or L for how far readers differ. Of each cell are counted
  size      how often the test of two equal treatments says p < 0.05
  coverage  how often the 95 % interval of the difference holds its true value
  mean      how often the 95 % interval of the first treatment's mean holds its expected area
  power     how often a true difference is found, beside what `power_of_plan` foretells from the
            mean components of the very replicates
Writes a JSON document with binomial 95 % intervals, and prints its table.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from fracturax.evaluation import wilson_interval
from fracturax.evaluation.readers import (
    FIXED_CASES,
    FIXED_READERS,
    RANDOM,
    Auc,
    Design,
    PilotComponents,
    ReaderStudy,
    analyse,
    crossed_study,
    power_of_plan,
    recognize_design,
)

STRUCTURES = {"HL": (0.3, 0.2, 0.2), "LL": (0.1, 0.2, 0.6), "HH": (0.3, 0.2, 0.2),
              "LH": (0.1, 0.2, 0.6)}  # fmt: skip
"""Variances of case (and of case by treatment), reader by case, and the rest; they sum to 1."""

READER_VARIANCE = {
    0.75: {"L": 0.0055, "H": 0.011},
    1.5: {"L": 0.0055, "H": 0.03},
    2.5: {"L": 0.011, "H": 0.056},
}
"""Variance of reader, and of reader by treatment, by skill."""


@dataclass(frozen=True)
class Cell:
    """One line of the table."""

    name: str
    structure: str
    skill: float
    readers: int
    fractured: int
    healthy: int
    design: str = "fully crossed"
    inference: str = RANDOM
    covariance: str = "delong"
    gain: float = 0.0


def cells() -> Iterator[Cell]:
    """Yield all cells."""
    for structure in STRUCTURES:
        for readers, fractured, healthy in ((3, 50, 50), (5, 50, 50), (5, 25, 25), (10, 100, 100)):
            name = f"{structure}, {readers} readers, {fractured}+{healthy}"
            yield Cell(name, structure, 1.5, readers, fractured, healthy)
    for skill in (0.75, 2.5):
        yield Cell(f"HL, 5 readers, 50+50, skill {skill}", "HL", skill, 5, 50, 50)
    for covariance in ("jackknife", "unbiased"):
        yield Cell(f"HL, {covariance}", "HL", 1.5, 5, 50, 50, covariance=covariance)
    for inference in (FIXED_READERS, FIXED_CASES):
        yield Cell(f"HL, {inference}", "HL", 1.5, 5, 50, 50, inference=inference)
    for design in ("cases nested in readers", "cases nested in treatments",
                   "cases nested in reader groups", "readers nested in treatments"):  # fmt: skip
        yield Cell(f"HL, {design}", "HL", 1.5, 6, 60, 60, design=design)
    yield Cell("HL, power", "HL", 1.5, 8, 80, 80, gain=0.35)
    yield Cell("LL, power", "LL", 1.5, 8, 80, 80, gain=0.35)


class Population:
    """Readers and cases drawn as a cell says; what is fixed is drawn once."""

    def __init__(self, cell: Cell, generator: np.random.Generator) -> None:
        self.cell, self.generator = cell, generator
        self.truth = np.repeat([1, 0], [cell.fractured, cell.healthy])
        self.design = self._design()
        self.fixed_readers = self._readers() if cell.inference == FIXED_READERS else None
        self.fixed_cases = self._cases() if cell.inference == FIXED_CASES else None

    def draw(self) -> ReaderStudy:
        """Draw one study."""
        cell = self.cell
        of_reader = self._readers() if self.fixed_readers is None else self.fixed_readers
        of_case = self._cases() if self.fixed_cases is None else self.fixed_cases
        _, mixed, rest = STRUCTURES[cell.structure]
        shape = (2, cell.readers, self.truth.size)
        noise = np.sqrt(rest) * self.generator.normal(size=shape)
        pair = np.sqrt(mixed) * self.generator.normal(size=shape[1:])
        ratings = self.expected() + of_reader + of_case + pair + noise
        if self.design is None:
            return crossed_study(ratings, self.truth)
        seen, design = self.design
        names = tuple(tuple(str(n) for n in range(size)) for size in shape)
        return ReaderStudy(
            names[0], names[1], names[2], self.truth == 1,
            np.where(seen, ratings, np.nan)[..., None], np.ones((self.truth.size, 1)), design,
        )  # fmt: skip

    def expected(self) -> npt.NDArray[np.float64]:
        """Return the mean of the ratings, shape `(2, 1, cases)`."""
        skill = self.cell.skill + np.array([0.0, self.cell.gain])[:, None, None]
        return np.asarray(skill * self.truth)

    def _readers(self) -> npt.NDArray[np.float64]:
        """Return effects of reader and reader by treatment, apart for each class."""
        size = math.sqrt(READER_VARIANCE[self.cell.skill][self.cell.structure[1]])
        alike = self.generator.normal(0, size, (1, self.cell.readers, 2))
        each = self.generator.normal(0, size, (2, self.cell.readers, 2))
        if self.cell.inference == FIXED_READERS:
            each = np.zeros_like(each)  # so that two treatments are equal for these readers
        return (alike + each)[:, :, self.truth]

    def _cases(self) -> npt.NDArray[np.float64]:
        size = math.sqrt(STRUCTURES[self.cell.structure][0])
        cases = self.truth.size
        alike = self.generator.normal(0, size, (1, 1, cases))
        each = self.generator.normal(0, size, (2, 1, cases))
        if self.cell.inference == FIXED_CASES:
            each = np.zeros_like(each)
        return alike + each

    def _design(self) -> tuple[npt.NDArray[np.bool_], Design] | None:
        cell = self.cell
        if cell.design == "fully crossed":
            return None
        place = np.arange(self.truth.size)
        reader, treatment = np.arange(cell.readers), np.arange(2)
        seen = np.ones((2, cell.readers, place.size), dtype=np.bool_)
        if cell.design == "cases nested in readers":
            seen &= place % cell.readers == reader[None, :, None]
        elif cell.design == "cases nested in treatments":
            seen &= place % 2 == treatment[:, None, None]
        elif cell.design == "cases nested in reader groups":
            seen &= place % 2 == (reader % 2)[None, :, None]
        else:
            seen &= (reader % 2)[None, :, None] == treatment[:, None, None]
        names = tuple(tuple(str(n) for n in range(size)) for size in seen.shape)
        found = recognize_design(seen, treatments=names[0], readers=names[1], cases=names[2])
        assert found.kind == cell.design
        return seen, found


def expected_area(cell: Cell, gain: float = 0.0) -> float:
    """Return the area that readers reach on average."""
    readers = 2 * READER_VARIANCE[cell.skill][cell.structure[1]]
    case, mixed, rest = STRUCTURES[cell.structure]
    return float(ndtr((cell.skill + gain) / math.sqrt(2 * (readers + 2 * case + mixed + rest))))


def run(cell: Cell, replicates: int, seed: int) -> dict[str, object]:
    """Simulate one cell."""
    generator = np.random.default_rng([seed, *cell.name.encode()])
    population = Population(cell, generator)
    true = expected_area(cell) - expected_area(cell, cell.gain)
    found = {"rejected": 0, "covered": 0, "mean_covered": 0}
    components = []
    for _ in range(replicates):
        result = analyse(
            population.draw(), Auc(), inference=cell.inference, covariance=cell.covariance
        )
        (difference,) = result.differences
        found["rejected"] += difference.test.p < 0.05
        found["covered"] += difference.estimate.low <= true <= difference.estimate.high
        mean = result.means[0].estimate
        found["mean_covered"] += (
            mean.low is not None and mean.low <= expected_area(cell) <= mean.high
        )
        components.append(result.components)
    # With something fixed, the mean of these readers or cases is not the population's.
    is_whole = cell.inference == RANDOM
    row: dict[str, object] = asdict(cell) | {
        "area": expected_area(cell),
        "difference": true,
        "power" if cell.gain else "size": _share(found["rejected"], replicates),
        "coverage": _share(found["covered"], replicates),
        "mean_coverage": _share(found["mean_covered"], replicates) if is_whole else None,
    }
    if cell.gain:
        pilot = PilotComponents(
            *(
                float(np.mean([getattr(one, name) for one in components]))
                for name in ("reader_by_treatment", "error", "cov1", "cov2", "cov3")
            ),
            cases=cell.fractured + cell.healthy,
        )
        plan = power_of_plan(pilot, readers=cell.readers, cases=pilot.cases, effect=abs(true))
        row["foretold_power"] = plan.power
    return row


def _share(count: int, of: int) -> dict[str, float]:
    low, high = wilson_interval(int(count), of)
    return {"value": count / of, "low": low, "high": high}


def as_table(rows: list[dict[str, object]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| cell | inference | covariances | size | power, foretold | difference | mean |",
        "|---|---|---|--:|--:|--:|--:|",
    ]

    def told(one: object) -> str:
        return f"{one['value']:.3f} ({one['low']:.3f}–{one['high']:.3f})" if one else ""

    for row in rows:
        power = told(row.get("power"))
        if power:
            power += f", {row['foretold_power']:.3f}"
        lines.append(
            f"| {row['name']} | {row['inference']} | {row['covariance']} | "
            f"{told(row.get('size'))} | {power} | {told(row['coverage'])} | "
            f"{told(row['mean_coverage'])} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Simulate, write, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder")
    parser.add_argument("--replicates", type=int, default=5000)
    parser.add_argument("--cells", default="", help="only cells whose name holds this")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = []
    for cell in cells():
        if options.cells in cell.name:
            start = time.perf_counter()
            rows.append(run(cell, options.replicates, options.seed))
            print(f"{cell.name}: {time.perf_counter() - start:.1f} s", flush=True)
    document = {"replicates": options.replicates, "seed": options.seed, "rows": rows}
    text = as_table(rows)
    (options.out / "readers.json").write_text(
        json.dumps(document, indent=1) + "\n", encoding="utf-8"
    )
    (options.out / "readers.md").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
