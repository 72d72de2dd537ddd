"""Ways to read films: in which precision, and from one view or both, as out-of-fold films allow.

The exact way is single precision and both views. A cheaper one ships where `guard` finds that it
costs no accuracy. An 8-bit graph has a calibration of its own; bfloat16, which only some machines
compute in, has to do with that of single precision.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fracturax.core.case import Case
from fracturax.core.progress import Progress
from fracturax.evaluation import Evaluation
from fracturax.models import openvino_session
from fracturax.models.bundle import BF16, Bundle
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
    read = {
        precision: _read(bundles, cases, folds, precision, progress) for precision in PRECISIONS
    }
    judged = {name: judge_across_folds(one, model=model) for name, one in read.items()}
    guards = {_SMALL: compare_ways(judged[_EXACT], judged[_SMALL])}
    precision = _SMALL if holds(guards[_SMALL]) else _EXACT
    both = read[precision]
    once = _read([_unmirrored(one) for one in bundles], cases, folds, precision, progress)
    margin: float | None = mirror_margin(both, once)
    manifest = replace(bundles[0].manifest, mirror_margin=margin)
    films = settle(both, once, manifest)
    judged_settled = judge_across_folds(films, model=model)
    guards["one_view_where_settled"] = compare_ways(judged[precision], judged_settled)
    if holds(guards["one_view_where_settled"]):
        judged[precision] = judged_settled
    else:
        films, margin, manifest = both, None, replace(manifest, mirror_margin=None)
    may_be_bf16 = False
    if precision == _EXACT and openvino_session.is_installed():
        reduced = _read(bundles, cases, folds, BF16, progress)
        if margin is not None:
            single = _read([_unmirrored(one) for one in bundles], cases, folds, BF16, progress)
            reduced = settle(reduced, single, manifest, fitted_on=films)
        judged[BF16] = judge_across_folds(reduced, model=model, fitted_on=films)
        guards[BF16] = compare_ways(judged[_EXACT], judged[BF16])
        may_be_bf16 = holds(guards[BF16])
    return Way(precision, may_be_bf16, margin, films, judged, guards, both, once)


def _unmirrored(bundle: Bundle) -> Bundle:
    return replace(bundle, manifest=replace(bundle.manifest, is_mirrored=False))


def _read(
    bundles: Sequence[Bundle],
    cases: Sequence[Case],
    folds: Sequence[int],
    precision: str,
    progress: Progress,
) -> OutOfFold:
    """Return what the networks of each fold say of the films that they never saw."""
    readers = [XrayPredictor(one, precision=precision, threads=1) for one in bundles]
    return read_out_of_fold(cases, folds, readers, progress=progress)
