"""Ways to read films: in which precision, and from one view or both, as out-of-fold films allow.

The exact way is single precision and both views. A cheaper one ships where `guard` finds that it
costs no accuracy. An 8-bit graph has a calibration of its own; bfloat16, which only some machines
compute in, has to do with that of single precision.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fracturax.core.case import Case
from fracturax.core.progress import Progress
from fracturax.evaluation import Evaluation
from fracturax.models import openvino_session
from fracturax.models.bundle import BF16, Bundle
from fracturax.models.runtime import XrayPredictor
from fracturax.pipelines.evaluate import Judgement
from fracturax.pipelines.guard import compare_ways, holds
from fracturax.pipelines.out_of_fold import (
    OutOfFold,
    judge_across_folds,
    read_both_ways_out_of_fold,
)
from fracturax.pipelines.settled import choose_margin

PRECISIONS = ("fp32", "int8")
_EXACT, _SMALL = PRECISIONS


@dataclass(frozen=True, eq=False)
class Way:
    """How a bundle reads films, and what shows that it may.

    Args:
        precision: Of the graph that ships.
        may_be_bf16: Whether that graph may run in bfloat16 where it is faster.
        margin: The manifest's `mirror_margin`; None where every film is read twice.
        films: Answers about all films, out of fold, read this way.
        judged: Judgements by precision; that of `precision` is of `films`.
        guards: What each cheaper way gains or loses against the one before it.
        both: Answers from both views, in `precision`.
        once: Answers from one view, in `precision`.
    """

    precision: str
    may_be_bf16: bool
    margin: float | None
    films: OutOfFold
    judged: Mapping[str, Judgement]
    guards: Mapping[str, Evaluation]
    both: OutOfFold
    once: OutOfFold

    @property
    def precisions(self) -> tuple[str, ...]:
        """Precisions that ship: single, and those that cost no accuracy."""
        return (_EXACT, self.precision, *([BF16] if self.may_be_bf16 else []))

    @property
    def read_once(self) -> float:
        """Share of the films that were read from one view alone."""
        alone = [
            one is other for one, other in zip(self.films.answers, self.once.answers, strict=True)
        ]
        return float(np.mean(alone))

    def write_values(self, path: Path) -> None:
        """Write the values of every film before calibration, as CSV.

        Calibrations can be fitted anew from it, with all values or some, without a network.
        """
        names = list(self.both.answers[0].values)
        with path.open("w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream, lineterminator="\n")
            table.writerow(["case", "fold", *names, *(f"{name}_one_view" for name in names)])
            rows = zip(
                self.both.cases, self.both.fold, self.both.answers, self.once.answers, strict=True
            )
            for case, fold, two, one in rows:
                values = [*two.values.values(), *one.values.values()]
                table.writerow([case.name, int(fold), *(f"{value:.6g}" for value in values)])


def choose_way(
    bundles: Sequence[Bundle],
    cases: Sequence[Case],
    folds: Sequence[int],
    *,
    model: str,
    progress: Progress,
) -> Way:
    """Read all films out of fold in every way, and choose.

    Args:
        bundles: Of the networks of each fold, in order of folds.
        cases: The films.
        folds: Fold each is held out in.
        model: Name of the model.
        progress: Where to tell how far the work is.
    """

    def read(precision: str) -> tuple[OutOfFold, OutOfFold]:
        readers = [XrayPredictor(one, precision=precision, threads=1) for one in bundles]
        return read_both_ways_out_of_fold(cases, folds, readers, progress=progress)

    views = {precision: read(precision) for precision in PRECISIONS}
    judged = {name: judge_across_folds(both, model=model) for name, (_, both) in views.items()}
    guards = {_SMALL: compare_ways(judged[_EXACT], judged[_SMALL])}
    precision = _SMALL if holds(guards[_SMALL]) else _EXACT
    once, both = views[precision]
    settled = choose_margin(both, once, judged[precision], bundles[0].manifest, model=model)
    guards |= settled.guards
    exact = judged[_EXACT]
    judged[precision] = settled.judgement
    may_be_bf16 = False
    if precision == _EXACT and openvino_session.computes_bfloat16():
        _, reduced = read(BF16)
        judged[BF16] = judge_across_folds(reduced, model=model, fitted_on=both)
        guards[BF16] = compare_ways(exact, judged[BF16])
        may_be_bf16 = holds(guards[BF16])
    return Way(
        precision, may_be_bf16, settled.margin, settled.films, judged, guards, both=both, once=once
    )
