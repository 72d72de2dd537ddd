"""Ways to read films: in which precision, and from one view or both, as out-of-fold films allow.

The exact way is single precision and both views. A cheaper one ships where `guard` finds that it
costs no accuracy.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fracturax.core.case import Case
from fracturax.core.progress import Progress
from fracturax.evaluation import Evaluation
from fracturax.models.bundle import Bundle
from fracturax.models.runtime import XrayPredictor
from fracturax.pipelines.evaluate import Judgement
from fracturax.pipelines.guard import compare_ways, holds
from fracturax.pipelines.out_of_fold import OutOfFold, judge_across_folds, read_out_of_fold
from fracturax.pipelines.settled import mirror_margin, settle

PRECISIONS = ("fp32", "int8")
_EXACT, _SMALL = PRECISIONS


@dataclass(frozen=True, eq=False)
class Way:
    """How a bundle reads films, and what shows that it may.

    Args:
        precision: Of the graph that ships.
        margin: The manifest's `mirror_margin`; None where every film is read twice.
        films: Answers about all films, out of fold, read this way.
        judged: Judgements by precision; that of `precision` is of `films`.
        guards: What each cheaper way gains or loses against the one before it.
        both: Answers from both views, in `precision`.
        once: Answers from one view, in `precision`.
    """

    precision: str
    margin: float | None
    films: OutOfFold
    judged: Mapping[str, Judgement]
    guards: Mapping[str, Evaluation]
    both: OutOfFold
    once: OutOfFold

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
    read: dict[str, OutOfFold] = {}
    judged: dict[str, Judgement] = {}
    for precision in PRECISIONS:
        readers = [XrayPredictor(one, precision=precision, threads=1) for one in bundles]
        read[precision] = read_out_of_fold(cases, folds, readers, progress=progress)
        judged[precision] = judge_across_folds(read[precision], model=model)
    small = compare_ways(judged[_EXACT], judged[_SMALL])
    precision = _SMALL if holds(small) else _EXACT
    both = read[precision]
    once = _read_once(bundles, both, precision, progress)
    margin = mirror_margin(both, once)
    settled = settle(both, once, replace(bundles[0].manifest, mirror_margin=margin))
    judged_settled = judge_across_folds(settled, model=model)
    single = compare_ways(judged[precision], judged_settled)
    guards = {_SMALL: small, "one_view_where_settled": single}
    if not holds(single):
        return Way(precision, None, both, judged, guards, both, once)
    judged[precision] = judged_settled
    return Way(precision, margin, settled, judged, guards, both, once)


def _read_once(
    bundles: Sequence[Bundle], both: OutOfFold, precision: str, progress: Progress
) -> OutOfFold:
    """Return what the same networks say of the same films from one view."""
    unmirrored = [
        replace(one, manifest=replace(one.manifest, is_mirrored=False)) for one in bundles
    ]
    readers = [XrayPredictor(one, precision=precision, threads=1) for one in unmirrored]
    return read_out_of_fold(both.cases, both.fold.tolist(), readers, progress=progress)
