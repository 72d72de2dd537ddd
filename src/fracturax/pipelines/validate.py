"""Validate: any Predictor under any design, with out-of-fold predictions and the passports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fracturax.core.case import Case
from fracturax.core.errors import ConfigError, DataError, ImageError
from fracturax.core.prediction import Predictor, Status
from fracturax.core.progress import Progress, silent
from fracturax.datasets.passport import Split, check_no_leak
from fracturax.datasets.splits import (
    group_folds,
    hold_out_group,
    join_groups,
    repeated_folds,
    split_by_date,
)
from fracturax.evaluation.classification import auroc
from fracturax.evaluation.table import PredictionTable
from fracturax.pipelines.prepare import hashes_of

Make = Callable[[Sequence[Case]], Predictor]
"""Trains on cases and returns what reads others."""


@dataclass(frozen=True)
class Design:
    """How a model is validated; exactly one of the first three is given.

    Folds are always grouped (no `patient_key` is torn) and stratified (balanced by label and
    region): folds that are neither measure something else.

    Args:
        folds: Number of folds of a cross-validation.
        leaves_out_groups: Whether each hospital, device or acquisition group is held out in turn.
        first_test_day: Day from which cases are tested on, `YYYY-MM-DD`; the rest is trained on.
        repeats: How often folds are drawn anew, each time with the next seed.
        inner_folds: Folds within each training part by which one of several models is chosen.
        seed: Seed of the folds.

    Raises:
        ConfigError: If none or several of the first three are given, or something that is no
            folds is repeated.
    """

    folds: int | None = None
    leaves_out_groups: bool = False
    first_test_day: str | None = None
    repeats: int = 1
    inner_folds: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        given = (self.folds is not None, self.leaves_out_groups, self.first_test_day is not None)
        if sum(given) != 1:
            raise ConfigError(
                "a design goes by one rule",
                got="none or several",
                cure="give one of: folds, leaves_out_groups, first_test_day",
            )
        if self.repeats < 1 or (self.repeats > 1 and self.folds is None):
            raise ConfigError("only folds are repeated", got=f"repeats {self.repeats}")

    def splits(self, cases: Sequence[Case]) -> tuple[tuple[Split, ...], ...]:
        """Return the splits of each run; those of one run test each case at most once.

        Raises:
            DataError: If the cases do not hold what the rule goes by, or are too few.
        """
        groups = _groups(cases)
        if self.folds is not None:
            drawn = repeated_folds(
                cases, groups, folds=self.folds, repeats=self.repeats, seed=self.seed
            )
            return tuple((one,) for one in drawn)
        if self.first_test_day is not None:
            return ((split_by_date(cases, groups, first_test_day=self.first_test_day),),)
        known = sorted({case.group for case in cases if case.group is not None})
        if len(known) < 2:
            raise DataError(
                "leaving out one group at a time needs two", got=f"{len(known)} in the cases"
            )
        return (tuple(hold_out_group(cases, groups, held_out=one) for one in known),)


@dataclass(frozen=True, eq=False)
class Run:
    """One validation: each case tested at most once, by a model that never saw its patient.

    Args:
        table: Predictions of the cases held out; `fold` names the part.
        splits: The passports behind it.
        chosen: Which model was chosen for each part, by name; empty where there was one.
    """

    table: PredictionTable
    splits: tuple[Split, ...]
    chosen: Mapping[str, str]

    def write(self, folder: Path) -> tuple[Path, ...]:
        """Write `out_of_fold.csv` and the passports, `split.json` or numbered.

        Args:
            folder: A folder that is there.
        """
        paths = [folder / "out_of_fold.csv"]
        self.table.write_csv(paths[0])
        for number, split in enumerate(self.splits):
            name = "split.json" if len(self.splits) == 1 else f"split-{number}.json"
            paths.append(folder / name)
            split.write(paths[-1])
        return tuple(paths)


def validate(
    make: Make | Mapping[str, Make],
    cases: Sequence[Case],
    design: Design,
    *,
    progress: Progress = silent,
) -> tuple[Run, ...]:
    """Train and test under a design.

    Args:
        make: Trains on the cases it is given. Several by name make the validation nested: in each
            training part the one of highest AUROC over inner folds is chosen, trained on the
            whole part and tested.
        cases: Those of `prepare`, whose `patient_key` ties copies of a film together.
        design: How.
        progress: Where to tell how far the work is.

    Returns:
        One run a repetition.

    Raises:
        DataError: If the cases do not bear the design, share a name, or what is held out has one
            class only.
        LeakageError: If a split tears a patient apart.
    """
    names = [case.name for case in cases]
    if len(set(names)) != len(names):
        raise DataError("two cases share a name", got=f"{len(names) - len(set(names))} repeated")
    makes = make if isinstance(make, Mapping) else {"": make}
    hashes = hashes_of(cases)
    runs = []
    for splits in progress(design.splits(cases), "validating"):
        records: list[dict[str, object]] = []
        chosen: dict[str, str] = {}
        for split in splits:
            check_no_leak(split, dict(zip(names, _groups(cases), strict=True)))
            for tested in split.test_parts:
                name, predictor, part = _trained(makes, cases, split, tested, design)
                if name:
                    chosen[part] = name
                records += _answers(predictor, _held_out(cases, split, tested), part)
        model = str(records[0]["model"]) if records else ""
        # The models of all parts stand for one way to make a model.
        table = PredictionTable.from_records([{**one, "model": model} for one in records])
        passports = tuple(
            replace(one, hashes={name: hashes[name] for name in one.fold_of if name in hashes})
            for one in splits
        )
        runs.append(Run(table, passports, chosen))
    return tuple(runs)


def _trained(
    makes: Mapping[str, Make], cases: Sequence[Case], split: Split, tested: int, design: Design
) -> tuple[str, Predictor, str]:
    """Return the name of the model chosen, it itself, and what the part tested is called."""
    training = [case for case in cases if split.trains(case.name, tested)]
    if split.parts:
        held_out = _held_out(cases, split, tested)
        groups = {case.group for case in held_out}
        part = str(groups.pop()) if design.leaves_out_groups else split.parts[tested]
    else:
        part = str(tested)
    name = next(iter(makes))
    if len(makes) > 1:
        areas = {one: _inner_area(make, training, design) for one, make in makes.items()}
        name = max(areas, key=lambda one: areas[one])
    return name, makes[name](training), part


def _inner_area(make: Make, training: Sequence[Case], design: Design) -> float:
    """Return the AUROC over inner folds; what was not assessed counts as certainly healthy."""
    split = group_folds(training, _groups(training), folds=design.inner_folds, seed=design.seed)
    truth: list[bool] = []
    said: list[float] = []
    for tested in split.test_parts:
        predictor = make([case for case in training if split.trains(case.name, tested)])
        for case in _held_out(training, split, tested):
            _, probability = _answer(predictor, case)
            truth.append(case.reference.fracture)
            said.append(probability or 0.0)
    return auroc(truth, said)


def _held_out(cases: Sequence[Case], split: Split, tested: int) -> list[Case]:
    return [case for case in cases if split.fold_of[case.name] == tested]


def _answers(predictor: Predictor, cases: Sequence[Case], part: str) -> list[dict[str, object]]:
    records: list[dict[str, object]] = []
    for case in cases:
        status, probability = _answer(predictor, case)
        records.append(
            {
                "case": case.name,
                "image": case.name,
                "patient_key": case.patient_key,
                "reference": int(case.reference.fracture),
                "probability": probability,
                "status": status,
                "fold": part,
                "model": predictor.identity.name,
            }
        )
    return records


def _answer(predictor: Predictor, case: Case) -> tuple[Status, float | None]:
    try:
        answer = predictor.predict(case.open())
    except ImageError:
        return "not_assessed", None
    return answer.status, answer.probability


def _groups(cases: Sequence[Case]) -> list[int]:
    return join_groups([case.patient_key for case in cases], ())
