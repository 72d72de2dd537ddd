"""Rules of splits that keep patients, copies and neighbours together."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fracturax.core.case import Case
from fracturax.core.errors import DataError
from fracturax.datasets.passport import LEFT_OUT, Split


@dataclass(frozen=True)
class DroppedCase:
    """A case that was left out, and why."""

    name: str
    reason: str


def join_groups(keys: Sequence[Hashable], pairs: Iterable[tuple[int, int]]) -> list[int]:
    """Join indices that share a key or are linked by a pair; return a group number for each.

    Example:
        >>> join_groups(["a", "b", "a", "c"], [(1, 3)])
        [0, 1, 0, 1]
    """
    parent = list(range(len(keys)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[Hashable, int] = {}
    for index, key in enumerate(keys):
        parent[root(index)] = root(first.setdefault(key, index))
    for one, other in pairs:
        parent[root(one)] = root(other)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(index), len(numbers)) for index in range(len(keys))]


def drop_copies(
    cases: Sequence[Case], pairs: Sequence[tuple[int, int]]
) -> tuple[list[int], list[DroppedCase]]:
    """Keep one of each set of copies; keep none where the copies' labels contradict each other.

    Returns:
        Indices of the cases kept, and the cases dropped with the reason.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(join_groups(range(len(cases)), pairs)):
        members[group].append(index)
    kept: list[int] = []
    dropped: list[DroppedCase] = []
    for indices in members.values():
        names = [cases[index].name for index in indices]
        if len({cases[index].reference.fracture for index in indices}) > 1:
            others = ", ".join(names)
            dropped += [
                DroppedCase(name, f"copies with contrary labels: {others}") for name in names
            ]
            continue
        # Of several copies the one with the most outlines knows most.
        best = max(indices, key=lambda index: (len(cases[index].reference.polygons), -index))
        kept.append(best)
        dropped += [
            DroppedCase(cases[index].name, f"copy of {cases[best].name}")
            for index in indices
            if index != best
        ]
    return sorted(kept), dropped


def group_folds(cases: Sequence[Case], groups: Sequence[int], *, folds: int, seed: int) -> Split:
    """Partition cases into folds so that no group is torn, balanced by label and region.

    Raises:
        DataError: If there are fewer groups than folds.
    """
    return Split(
        rule=f"{folds} folds by patient_key and copies, balanced by label and region",
        seed=seed,
        fold_of=_place(cases, groups, [1 / folds] * folds, seed),
    )


def repeated_folds(
    cases: Sequence[Case], groups: Sequence[int], *, folds: int, repeats: int, seed: int
) -> tuple[Split, ...]:
    """Partition cases several times, each time with the next seed."""
    return tuple(
        group_folds(cases, groups, folds=folds, seed=seed + repeat) for repeat in range(repeats)
    )


def group_shares(
    cases: Sequence[Case], groups: Sequence[int], *, shares: Mapping[str, float], seed: int
) -> Split:
    """Partition cases into named parts of unequal size, such as train, valid and test.

    Args:
        cases: The cases.
        groups: Number of each case's group; no group is torn.
        shares: Name and share of each part; they sum to 1.
        seed: Seed of the order in which groups are placed.

    Raises:
        DataError: If the shares do not sum to 1, or there are fewer groups than parts.
    """
    words = _shares_in_words(shares)
    return Split(
        rule=f"shares by patient_key and copies, balanced by label and region: {words}",
        seed=seed,
        fold_of=_place(cases, groups, list(shares.values()), seed),
        parts=tuple(shares),
    )


def share_groups(
    names: Sequence[str], groups: Sequence[int], *, shares: Mapping[str, float], seed: int
) -> Split:
    """Partition films without labels, such as films with masks, into named parts by patients.

    Args:
        names: Names of the films.
        groups: Number of each film's group; no group is torn, and each counts the same.
        shares: Name and share of each part, of the groups; they sum to 1. No part is empty.
        seed: Seed of the order in which groups are placed.

    Raises:
        DataError: If the shares do not sum to 1, or there are fewer groups than parts.

    Example:
        >>> made = share_groups("abcd", [0, 0, 1, 2], shares={"train": 0.7, "test": 0.3}, seed=0)
        >>> made.fold_of["a"] == made.fold_of["b"], len(made.sizes())
        (True, 2)
    """
    words = _shares_in_words(shares)
    order = np.random.default_rng(seed).permutation(sorted(set(groups)))
    if len(order) < len(shares):
        raise DataError(f"{len(shares)} parts need {len(shares)} groups", got=str(len(order)))
    wanted = np.array(list(shares.values())) * len(order)
    counts = np.maximum(np.floor(wanted).astype(int), 1)
    while (lacking := len(order) - counts.sum()) != 0:
        # What lacks most gets one more; what has most too many gives one, but not its last.
        gap = wanted - counts
        if lacking > 0:
            counts[gap.argmax()] += 1
        else:
            counts[np.where(counts > 1, gap, np.inf).argmin()] -= 1
    part_of = dict(zip(order.tolist(), np.repeat(np.arange(len(counts)), counts), strict=True))
    return Split(
        rule=f"shares by patient and copies: {words}",
        seed=seed,
        fold_of={name: int(part_of[group]) for name, group in zip(names, groups, strict=True)},
        parts=tuple(shares),
    )


def _shares_in_words(shares: Mapping[str, float]) -> str:
    if min(shares.values(), default=0.0) <= 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise DataError("shares are positive and sum to 1", got=str(dict(shares)))
    return ", ".join(f"{name} {share:g}" for name, share in shares.items())


def hold_out_group(cases: Sequence[Case], groups: Sequence[int], *, held_out: str) -> Split:
    """Test on one hospital, device or acquisition group, train on the others.

    What is tied to a film of the group that is held out (a copy, the same patient) can be on
    neither side: it is left out.

    Raises:
        DataError: If no case, or each, is of that group.
    """
    known = sorted({case.group for case in cases if case.group is not None})
    if held_out not in known:
        raise DataError(
            "no case is of the group to hold out",
            got=repr(held_out),
            cure=f"known: {', '.join(known) or 'none, the data set names no groups'}",
        )
    return _test_against_rest(
        cases, groups, [case.group == held_out for case in cases], f"group {held_out!r} held out"
    )


def split_by_date(cases: Sequence[Case], groups: Sequence[int], *, first_test_day: str) -> Split:
    """Train on what was taken before a day, test on what was taken from it on.

    The earlier films of patients who came again are left out.

    Raises:
        DataError: If a case has no date, or all lie on one side.
    """
    undated = [case.name for case in cases if case.date is None]
    if undated:
        raise DataError(
            "a split by date needs the date of every case",
            got=f"{len(undated)} without, such as {undated[0]}",
        )
    later = [(case.date or "") >= first_test_day for case in cases]
    return _test_against_rest(cases, groups, later, f"tested from {first_test_day} on")


def _test_against_rest(
    cases: Sequence[Case], groups: Sequence[int], is_test: Sequence[bool], rule: str
) -> Split:
    if all(is_test) or not any(is_test):
        raise DataError("both sides of a split need cases", got=rule)
    tied = {group for group, test in zip(groups, is_test, strict=True) if test}
    places = [
        1 if test else 2 if group in tied else 0
        for group, test in zip(groups, is_test, strict=True)
    ]
    parts = ("train", "test", LEFT_OUT)[: 1 + max(places)]
    if 0 not in places:
        raise DataError("nothing is left to train on", got=rule)
    fold_of = dict(zip((case.name for case in cases), places, strict=True))
    return Split(rule=rule, seed=0, fold_of=dict(sorted(fold_of.items())), parts=parts)


def _place(
    cases: Sequence[Case], groups: Sequence[int], shares: Sequence[float], seed: int
) -> dict[str, int]:
    """Place whole groups into parts of given shares.

    Groups are placed largest first, in seeded order, each into the part that lacks most of what
    the group holds (greedy balancing of the label-by-region counts).
    """
    strata = [(case.reference.fracture, case.reference.regions) for case in cases]
    column = {stratum: index for index, stratum in enumerate(sorted(set(strata)))}
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    if len(members) < len(shares):
        raise DataError(f"{len(shares)} parts need {len(shares)} groups", got=str(len(members)))
    counts = {group: np.zeros(len(column)) for group in members}
    for group, indices in members.items():
        for index in indices:
            counts[group][column[strata[index]]] += 1
    total = np.sum(list(counts.values()), axis=0)
    order = np.random.default_rng(seed).permutation(sorted(members))
    placed = np.zeros((len(shares), len(column)))
    weight = np.array(shares) * len(shares)
    fold_of: dict[str, int] = {}
    for group in sorted(order.tolist(), key=lambda group: -counts[group].sum()):
        # Relative counts: a rare stratum weighs as much as a common one.
        after = (placed + counts[group]) / np.maximum(total, 1)
        before = placed / np.maximum(total, 1)
        cost = (after**2 - before**2).sum(axis=1) / weight
        fold = int(cost.argmin())
        placed[fold] += counts[group]
        fold_of.update({cases[index].name: fold for index in members[group]})
    return {name: fold_of[name] for name in sorted(fold_of)}


def regroup(cases: Sequence[Case], groups: Sequence[int]) -> tuple[Case, ...]:
    """Return the cases with `patient_key` set to their joined group, hashed."""
    return tuple(
        replace(case, patient_key=hashlib.sha256(f"group {group}".encode()).hexdigest()[:12])
        for case, group in zip(cases, groups, strict=True)
    )
