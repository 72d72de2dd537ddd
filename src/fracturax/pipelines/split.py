"""Split: cases fit for training, put into parts by a rule, with a passport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fracturax.core.case import Case
from fracturax.core.errors import ConfigError
from fracturax.core.progress import Progress, silent
from fracturax.datasets.passport import Split, check_no_leak
from fracturax.datasets.splits import (
    DroppedCase,
    group_folds,
    group_shares,
    hold_out_group,
    repeated_folds,
    split_by_date,
)
from fracturax.pipelines.prepare import Prepared, hashes_of, prepare, prepare_scans


@dataclass(frozen=True)
class SplitRule:
    """How to split; exactly one of the first four is given.

    Args:
        folds: Number of folds of a cross-validation.
        shares: Name and share of each part.
        held_out: Hospital, device or acquisition group to test on.
        first_test_day: Day from which films are tested on, `YYYY-MM-DD`.
        repeats: How often to repeat folds, each time with the next seed.
        seed: Seed of folds and shares.
    """

    folds: int | None = None
    shares: Mapping[str, float] | None = None
    held_out: str | None = None
    first_test_day: str | None = None
    repeats: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        given = (self.folds, self.shares, self.held_out, self.first_test_day)
        if sum(one is not None for one in given) != 1:
            raise ConfigError(
                "a split goes by one rule",
                got="none or several",
                cure="give one of: folds, shares, held_out, first_test_day",
            )
        if self.repeats < 1 or (self.repeats > 1 and self.folds is None):
            raise ConfigError("only folds are repeated", got=f"repeats {self.repeats}")


def split(
    cases: Sequence[Case],
    rule: SplitRule,
    *,
    unwanted: Sequence[DroppedCase] = (),
    progress: Progress = silent,
) -> tuple[tuple[Split, ...], Prepared[None]]:
    """Split cases so that no patient and no copy stands on two sides.

    Args:
        cases: Cases of one film each; defective ones, and copies, are left out. Or of one CT
            each, which are not decoded: `Prepared.notes` says what was not looked for.
        rule: How.
        unwanted: Cases that an audit, or a person, struck off.
        progress: Where to tell how far the work is.

    Returns:
        The split (several where it is repeated) with the hashes of its films, and the cases.

    Raises:
        DataError: If the cases do not hold what the rule goes by, or are too few.
    """
    if cases and all(case.modality == "ct" for case in cases):
        prepared = prepare_scans(cases, unwanted=unwanted, progress=progress)
        hashes = dict(prepared.hashes)
    else:
        prepared = prepare(cases, keep=lambda *_: None, unwanted=unwanted, progress=progress)
        hashes = hashes_of(prepared.cases)
    splits = tuple(replace(one, hashes=hashes) for one in _by_rule(prepared, rule))
    for one in splits:
        check_no_leak(one, prepared.group_of)
    return splits, prepared


def _by_rule(prepared: Prepared[None], rule: SplitRule) -> tuple[Split, ...]:
    cases, groups = prepared.cases, prepared.groups
    if rule.held_out is not None:
        return (hold_out_group(cases, groups, held_out=rule.held_out),)
    if rule.first_test_day is not None:
        return (split_by_date(cases, groups, first_test_day=rule.first_test_day),)
    if rule.shares is not None:
        return (group_shares(cases, groups, shares=rule.shares, seed=rule.seed),)
    assert rule.folds is not None, "a rule that is none of the others goes by folds"
    if rule.repeats > 1:
        return repeated_folds(cases, groups, folds=rule.folds, repeats=rule.repeats, seed=rule.seed)
    return (group_folds(cases, groups, folds=rule.folds, seed=rule.seed),)
