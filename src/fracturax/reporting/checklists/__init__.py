"""Checklists of reporting guidelines: items as data, filled by key, gaps listed as gaps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fracturax.core.errors import UnknownNameError

_FOLDER = Path(__file__).parent

CHECKLISTS: tuple[str, ...] = ("claim_2024", "stard_ai")
"""Names of the checklists that are known."""


@dataclass(frozen=True)
class Item:
    """One item of a checklist.

    Args:
        number: Its number.
        section: Part of the paper it is about.
        asks: What it asks for, in our own words.
        key: Which answer fills it; empty where only the authors can.
        answer: What fills it; empty where nothing does.
    """

    number: str
    section: str
    asks: str
    key: str
    answer: str = ""


@dataclass(frozen=True)
class Checklist:
    """A checklist, filled as far as the artefacts of a run go.

    Args:
        name: Its name.
        source: The paper.
        remark: What must be known of numbers and words.
        items: In order.
    """

    name: str
    source: str
    remark: str
    items: tuple[Item, ...]

    @property
    def open_items(self) -> tuple[Item, ...]:
        """Those that are not filled."""
        return tuple(item for item in self.items if not item.answer)

    def as_document(self) -> dict[str, object]:
        """Return a JSON-able document."""
        return {
            "name": self.name,
            "source": self.source,
            "remark": self.remark,
            "items": [
                {"number": one.number, "asks": one.asks, "answer": one.answer or None}
                for one in self.items
            ],
        }

    def as_markdown(self) -> str:
        """Return the filled list, and below it what is open."""
        filled = len(self.items) - len(self.open_items)
        lines = [
            f"# {self.name}",
            "",
            f"{self.source}. {self.remark}",
            "",
            f"{filled} of {len(self.items)} items have an answer from the artefacts of this run. "
            "An answer is a start for the authors, who stay responsible for it.",
            "",
            "| item | asks for | answer |",
            "|:--|:--|:--|",
        ]
        section = ""
        for one in self.items:
            if one.section != section:
                section = one.section
                lines.append(f"| | **{_cell(section)}** | |")
            lines.append(f"| {one.number} | {_cell(one.asks)} | {_cell(one.answer) or '*open*'} |")
        lines += ["", "## Open: for the authors", ""]
        lines += [f"- {one.number}: {one.asks}" for one in self.open_items]
        return "\n".join(lines) + "\n"


def fill_checklist(name: str, answers: Mapping[str, str]) -> Checklist:
    """Return a checklist with answers put to its items.

    Args:
        name: One of `CHECKLISTS`.
        answers: Answers by key; a key that no item asks for is left aside.

    Raises:
        UnknownNameError: If there is no such checklist.

    Example:
        >>> filled = fill_checklist("claim_2024", {"metrics": "AUROC"})
        >>> [item.number for item in filled.items if item.answer], len(filled.items)
        (['28'], 44)
    """
    if name not in CHECKLISTS:
        raise UnknownNameError("checklist", name, CHECKLISTS)
    known = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    items = tuple(Item(**item, answer=answers.get(item["key"], "")) for item in known["items"])
    return Checklist(known["name"], known["source"], known["remark"], items)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
