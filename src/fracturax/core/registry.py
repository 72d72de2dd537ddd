"""Registries: an entry is data; the code it stands for is imported only when it is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TypeVar

from fracturax.core.errors import UnknownNameError


class Entry(Protocol):
    """What every registry entry has: a name, and where its code lives (`package.module:name`)."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def code(self) -> str:
        """Where its code lives."""
        ...


EntryT = TypeVar("EntryT", bound=Entry)


@dataclass(frozen=True)
class Registry(Mapping[str, EntryT]):
    """Entries by name, in the order they were listed.

    Args:
        kind: What the entries are called in an error message (`data set`, `model`).
        entries: The entries; names are unique.
    """

    kind: str
    entries: tuple[EntryT, ...]

    def __post_init__(self) -> None:
        names = [entry.name for entry in self.entries]
        assert len(set(names)) == len(names), f"two {self.kind} entries share a name"

    def __getitem__(self, name: str) -> EntryT:
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise UnknownNameError(self.kind, name, [entry.name for entry in self.entries])

    def __iter__(self) -> Iterator[str]:
        return (entry.name for entry in self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def load(self, name: str) -> Any:
        """Import and return the code an entry stands for."""
        module, _, attribute = self[name].code.partition(":")
        return getattr(import_module(module), attribute)
