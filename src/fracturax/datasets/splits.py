"""Splits that keep patients, copies and neighbours together, and clean cases to split."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fracturax.core.case import Case
from fracturax.core.errors import DataError, LeakageError
from fracturax.core.provenance import sha256_of_document


@dataclass(frozen=True)
class DroppedCase:
    """A case that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Split:
    """A seeded partition of cases into folds.

    Args:
        rule: How it was made, in words.
        seed: Seed of the partition.
        fold_of: Fold of each case, by name.
    """

    rule: str
    seed: int
    fold_of: dict[str, int]

    @property
    def folds(self) -> int:
        """Number of folds."""
        return 1 + max(self.fold_of.values())

    def as_document(self) -> dict[str, object]:
        """Return the split as JSON-able data with its own hash."""
        body = {"rule": self.rule, "seed": self.seed, "fold_of": self.fold_of}
        return {**body, "sha256": sha256_of_document(body)}


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

    Groups are placed largest first, in seeded order, each into the fold that lacks most of what
    the group holds (greedy balancing of the label-by-region counts).

    Raises:
        DataError: If there are fewer groups than folds.
    """
    strata = [(case.reference.fracture, case.reference.regions) for case in cases]
    column = {stratum: index for index, stratum in enumerate(sorted(set(strata)))}
    members: dict[int, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    if len(members) < folds:
        raise DataError(f"{folds} folds need {folds} groups", got=str(len(members)))
    counts = {group: np.zeros(len(column)) for group in members}
    for group, indices in members.items():
        for index in indices:
            counts[group][column[strata[index]]] += 1
    total = np.sum(list(counts.values()), axis=0)
    order = np.random.default_rng(seed).permutation(sorted(members))
    placed = np.zeros((folds, len(column)))
    fold_of: dict[str, int] = {}
    for group in sorted(order.tolist(), key=lambda group: -counts[group].sum()):
        # Relative counts: a rare stratum weighs as much as a common one.
        after = (placed + counts[group]) / np.maximum(total, 1)
        before = placed / np.maximum(total, 1)
        cost = (after**2 - before**2).sum(axis=1)
        fold = int(cost.argmin())
        placed[fold] += counts[group]
        fold_of.update({cases[index].name: fold for index in members[group]})
    names = sorted(fold_of)
    return Split(
        rule=f"{folds} folds by patient_key and copies, balanced by label and region",
        seed=seed,
        fold_of={name: fold_of[name] for name in names},
    )


def regroup(cases: Sequence[Case], groups: Sequence[int]) -> tuple[Case, ...]:
    """Return the cases with `patient_key` set to their joined group, hashed."""
    return tuple(
        replace(case, patient_key=hashlib.sha256(f"group {group}".encode()).hexdigest()[:12])
        for case, group in zip(cases, groups, strict=True)
    )


def check_no_leak(split: Split, groups: dict[str, int]) -> None:
    """Refuse a split that tears a group apart.

    Raises:
        LeakageError: Naming two cases of one group on two sides.
    """
    seen: dict[int, str] = {}
    for name, fold in split.fold_of.items():
        other = seen.setdefault(groups[name], name)
        if split.fold_of[other] != fold:
            raise LeakageError(
                "films that belong together stand in two folds",
                got=f"{other} in {split.fold_of[other]}, {name} in {fold}",
                cure="split by the joined groups",
            )
