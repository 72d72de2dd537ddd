"""A split with its passport: who stands where, by which rule, told by hashes anyone can check."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fracturax.core.case import Case
from fracturax.core.errors import DataError, LeakageError
from fracturax.core.provenance import sha256_of_document, sha256_of_file, software_version

FORMAT = 1
LEFT_OUT = "left out"
"""The part of cases that are neither trained nor tested on."""
_LARGEST_PASSPORT = 256 << 20


@dataclass(frozen=True)
class Split:
    """A seeded partition of cases into parts: folds, hospitals, before and after a day.

    Args:
        rule: How it was made, in words.
        seed: Seed of the partition.
        fold_of: Number of the part of each case, by name.
        parts: What the parts are called; `fold 0`, `fold 1` … where they have no other name.
        hashes: SHA-256 of each case's files, by name, as far as they are known: the same name
            with other pixels is another film.
    """

    rule: str
    seed: int
    fold_of: dict[str, int]
    parts: tuple[str, ...] = ()
    hashes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.fold_of:
            raise DataError("a split needs cases", got="none")
        if self.parts and len(self.parts) != self.folds:
            raise DataError("each part of a split has one name", got=f"{len(self.parts)} names")
        strangers = self.hashes.keys() - self.fold_of.keys()
        if strangers:
            raise DataError("a hash of a case that is in no part", got=sorted(strangers)[0])

    @property
    def folds(self) -> int:
        """Number of parts."""
        return 1 + max(self.fold_of.values())

    def sizes(self) -> dict[str, int]:
        """Return how many cases each part holds."""
        counts = Counter(self.part(name) for name in self.fold_of)
        return dict(sorted(counts.items()))

    @property
    def test_parts(self) -> tuple[int, ...]:
        """The parts to test on: each fold, or the one called `test`.

        Raises:
            DataError: If the parts have names and none is `train`, or none `test`.
        """
        if not self.parts:
            return tuple(range(self.folds))
        if not {"train", "test"} <= set(self.parts):
            raise DataError(
                "a split to train by has folds, or parts called train and test",
                got=", ".join(self.parts),
            )
        return (self.parts.index("test"),)

    def trains(self, name: str, tested: int) -> bool:
        """Say whether a case is trained on where a part is tested on."""
        if self.parts:
            return self.part(name) == "train"
        return self.fold_of[name] != tested

    def part(self, name: str) -> str:
        """Return what the part of a case is called."""
        fold = self.fold_of[name]
        return self.parts[fold] if self.parts else f"fold {fold}"

    @property
    def sha256(self) -> str:
        """Hash of all that makes the split what it is; who made it, and when, is not in it."""
        return sha256_of_document(self._body())

    def as_document(self) -> dict[str, Any]:
        """Return the passport as JSON-able data."""
        return {**self._body(), "sha256": self.sha256, "made_with": software_version()}

    def _body(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "rule": self.rule,
            "seed": self.seed,
            "parts": list(self.parts),
            "fold_of": self.fold_of,
            "hashes": self.hashes,
        }

    def write(self, path: Path) -> None:
        """Write the passport; the same split is the same file, byte for byte."""
        text = json.dumps(self.as_document(), indent=1, sort_keys=True, ensure_ascii=True) + "\n"
        path.write_text(text, encoding="utf-8", newline="\n")

    @classmethod
    def read(cls, path: Path) -> Split:
        """Read a passport.

        Raises:
            DataError: If it is no passport, or was changed by hand.
        """
        try:
            with path.open("rb") as stream:
                text = stream.read(_LARGEST_PASSPORT + 1)
            if len(text) > _LARGEST_PASSPORT:
                raise DataError("a passport of a split is smaller", got=f"over {len(text)} bytes")
            document = json.loads(text)
            split = cls(
                rule=str(document["rule"]),
                seed=int(document["seed"]),
                fold_of={str(name): int(fold) for name, fold in document["fold_of"].items()},
                parts=tuple(str(part) for part in document["parts"]),
                hashes={str(name): str(one) for name, one in document["hashes"].items()},
            )
            stated = document["sha256"]
        except FileNotFoundError:
            raise DataError("there is no such passport", got=path.name) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"{path.name} is no passport of a split",
                got=f"{type(error).__name__}: {error}",
                cure="make one: fracturax split ROOT --out split.json",
            ) from error
        if stated != split.sha256:
            raise DataError(
                f"{path.name} was changed after it was made",
                got=f"{split.sha256[:12]} instead of {str(stated)[:12]}",
                cure="make it again by its rule and seed",
            )
        return split

    def check_films(self, hashes: Mapping[str, str]) -> None:
        """Compare the films at hand with those the split was made of.

        Raises:
            DataError: Naming the first film that is missing, new or not the same.
        """
        missing = sorted(self.fold_of.keys() - hashes.keys())
        new = sorted(hashes.keys() - self.fold_of.keys())
        other = sorted(
            name for name, known in self.hashes.items() if name in hashes and hashes[name] != known
        )
        for names, words in (
            (missing, "is not there"),
            (new, "is in no part"),
            (other, "has other pixels"),
        ):
            if names:
                raise DataError(
                    f"the films are not those of the split: {names[0]} {words}",
                    got=f"{len(missing)} missing, {len(new)} new, {len(other)} changed",
                    cure="use the same release, or make a new split",
                )


def film_hash(case: Case) -> str | None:
    """Return the SHA-256 of what a case is read from, or None where that is no file.

    Of a folder, the hash of the names and hashes of its files.
    """
    path = case.path
    if path is None:
        return None
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.is_file() and not one.is_symlink())
        return sha256_of_document(
            [(one.relative_to(path).as_posix(), sha256_of_file(one)) for one in files]
        )
    return sha256_of_file(path)


def check_no_leak(split: Split, groups: Mapping[str, int]) -> None:
    """Refuse a split that tears a group apart.

    Args:
        split: The split.
        groups: Number of each case's group: one patient, one film and its copies.

    Raises:
        LeakageError: Naming two cases of one group on two sides.
    """
    for one, other in torn_pairs(split, groups):
        raise LeakageError(
            "films that belong together stand in two parts",
            got=f"{one} in {split.part(one)}, {other} in {split.part(other)}",
            cure="split by the joined groups",
        )


def torn_pairs(split: Split, groups: Mapping[str, int]) -> Iterable[tuple[str, str]]:
    """Yield, for each case that stands apart from its group, the group's first case and it.

    What is left out is on no side and tears nothing apart.
    """
    first: dict[int, str] = {}
    for name, fold in split.fold_of.items():
        if split.part(name) == LEFT_OUT:
            continue
        other = first.setdefault(groups[name], name)
        if split.fold_of[other] != fold:
            yield other, name
