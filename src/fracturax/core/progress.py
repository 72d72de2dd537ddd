"""How far a long work is: the pipelines tell, the edges draw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

ItemT = TypeVar("ItemT")


class Progress(Protocol):
    """Goes through items one by one while telling somebody how far it is."""

    def __call__(self, items: Sequence[ItemT], words: str, /) -> Iterable[ItemT]:
        """Return the items; `words` says what is being done."""
        ...


def silent(items: Sequence[ItemT], words: str) -> Iterable[ItemT]:
    """Go through the items without a word."""
    return items
