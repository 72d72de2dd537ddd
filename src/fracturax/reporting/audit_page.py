"""An audit as one page: what to mend, with the pictures side by side and why each matters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np
import numpy.typing as npt

from fracturax.core.audit import (
    Audit,
    CopyGroup,
    DamagedFile,
    Leak,
    Pixels,
    Shortcut,
    TableConflict,
)
from fracturax.core.progress import Progress, silent
from fracturax.core.report import RESEARCH_USE_NOTICE
from fracturax.reporting.audit_wording import (
    LEAKS,
    LISTS,
    TABLE_CONFLICTS,
    Explanation,
    finding_lines,
    headline,
)
from fracturax.reporting.film import shrink
from fracturax.reporting.page import data_uri, environment

Look = Callable[[str], npt.NDArray[np.uint8] | None]
"""From a file below the data set's folder to its display values, or None if it shows nothing."""

MOST_PICTURES = 24
_MOST_LINES = 12
_THUMBNAIL_PX = 240
_TELLING = 5


@dataclass(frozen=True)
class _Picture:
    """A film as the page shows it.

    Args:
        file: Its file.
        source: Data URI; None where nothing can be shown.
        rows: Pixel rows of the film itself.
        columns: Its pixel columns.
        label: Its label in words, or empty.
        boxes: Boxes to draw over it, in its own pixels.
    """

    file: str
    source: str | None
    rows: int = 1
    columns: int = 1
    label: str = ""
    boxes: tuple[Pixels, ...] = ()

    @property
    def folder(self) -> str:
        """The folder it lies in, with the stroke behind it."""
        return self.file[: self.file.rfind("/") + 1]

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.file[self.file.rfind("/") + 1 :]

    @property
    def view_box(self) -> str:
        """The part of the plane that holds the film and its boxes."""
        sides = [(0.0, 0.0, float(self.rows), float(self.columns)), *self.boxes]
        top, left = min(side[0] for side in sides), min(side[1] for side in sides)
        bottom, right = max(side[2] for side in sides), max(side[3] for side in sides)
        return f"{left:g} {top:g} {right - left:g} {bottom - top:g}"


@dataclass(frozen=True)
class _Item:
    """Pictures side by side, with what is said of them."""

    pictures: tuple[_Picture, ...]
    words: str
    more: str = ""


@dataclass(frozen=True)
class _Section:
    """A part of the page: one list, or one kind of a list.

    Args:
        anchor: Where links lead.
        said: Title, reason and cure.
        count: How many there are.
        items: Those that are shown.
        where: What the list is of, beside the title.
        remark: What strikes one about it.
        part_of: Name of its list in the document.
    """

    anchor: str
    said: Explanation
    count: int
    items: tuple[_Item, ...]
    where: str = ""
    remark: str = ""
    part_of: str = ""

    @property
    def left_out(self) -> int:
        """How many are not shown."""
        return self.count - len(self.items)

    @property
    def is_small(self) -> bool:
        """Whether two such sections find room beside each other."""
        return sum(max(len(item.pictures), 1) for item in self.items) <= 2


def audit_page(audit: Audit, *, look: Look, progress: Progress = silent) -> str:
    """Return an audit as one HTML page with everything in it.

    The page runs no script, asks no server, and forbids both in its security policy. Every text
    that comes from a file is escaped. Of each list at most 24 items are shown; all of them stand
    in the document.

    Args:
        audit: What was found.
        look: Gives the pictures; called for those that are shown only, once each.
        progress: Where to tell how far the work is.

    Returns:
        HTML to be saved as UTF-8.

    Example:
        >>> from fracturax.core.audit import AuditCounts
        >>> page = audit_page(Audit("folder", "films", "0.1", AuditCounts(9, 9, 9, 4, 5, 0, 9)),
        ...                   look=lambda file: None)
        >>> "Nothing to mend was found" in page
        True
    """
    see = _Gallery(look)
    for file in progress(files_shown(audit), "drawing the page"):
        see(file)
    sections = [*_lists(audit, see), *_conflicts(audit, see), *_leaks(audit, see)]
    order = {name: place for place, name in enumerate(("shortcut", "weak", "harmless"))}
    text = (
        environment()
        .get_template("audit.html.j2")
        .render(
            audit=audit,
            notice=RESEARCH_USE_NOTICE,
            headline=headline(audit),
            lines=finding_lines(audit),
            sections=sections,
            clean=_nothing_found(audit),
            shortcuts=sorted(audit.shortcuts, key=lambda one: order[one.verdict]),
            bar=_bar,
            overall=audit.counts.fractured
            / max(audit.counts.fractured + audit.counts.not_fractured, 1),
            dropped=_dropped(audit),
        )
    )
    # Names of odd files may hold lone surrogates, which UTF-8 cannot carry.
    return text.encode("utf-8", "backslashreplace").decode()


def files_shown(audit: Audit) -> list[str]:
    """Return the files whose pictures the page shows, each once.

    Example:
        >>> from fracturax.core.audit import AuditCounts
        >>> counts = AuditCounts(1, 1, 0, 0, 0, 0, 0)
        >>> files_shown(Audit("folder", "a", "0.1", counts, (DamagedFile("a", "a.png", "cut"),)))
        ['a.png']
    """
    asked: dict[str, None] = {}

    def ask(file: str) -> None:
        asked[file] = None

    see = _Gallery(ask)
    for sections in (_lists(audit, see), _conflicts(audit, see), _leaks(audit, see)):
        for _ in sections:
            pass
    return list(asked)


class _Gallery:
    """Looks at films, each once."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._seen: dict[str, tuple[str | None, int, int]] = {}

    def __call__(self, file: str, *, label: str = "", boxes: tuple[Pixels, ...] = ()) -> _Picture:
        if file not in self._seen:
            pixels = self._look(file) if file else None
            if pixels is None:
                self._seen[file] = (None, 1, 1)
            else:
                small = shrink(pixels, longest_px=_THUMBNAIL_PX)
                rows, columns = pixels.shape
                self._seen[file] = (data_uri(small, quality=72), rows, columns)
        source, rows, columns = self._seen[file]
        return _Picture(file, source, rows, columns, label, boxes if source else ())


def _lists(audit: Audit, see: _Gallery) -> Iterable[_Section]:
    for name, damaged in (("truncated", audit.truncated), ("unreadable", audit.unreadable)):
        if damaged:
            items = tuple(_damaged(one, see) for one in damaged[:MOST_PICTURES])
            remark = _remark([one.label for one in damaged], audit)
            yield _Section(name, LISTS[name], len(damaged), items, remark=remark, part_of=name)
    contrary = [group for group in audit.copies if group.has_contrary_labels]
    if contrary:
        items = tuple(_contrary(group, see) for group in contrary[:MOST_PICTURES])
        yield _Section(
            *("label_conflicts", LISTS["label_conflicts"], len(contrary), items),
            part_of="label_conflicts",
        )
    if audit.copies:
        # The least alike first: these are what a reader may want to judge for himself.
        groups = sorted(
            audit.copies, key=lambda group: min(pair.similarity for pair in group.pairs)
        )
        files = sum(len(group.files) for group in audit.copies)
        yield _Section(
            "copies",
            LISTS["copies"],
            len(groups),
            tuple(_copies(group, see) for group in groups[:MOST_PICTURES]),
            where=f"{files} files",
            part_of="copies",
        )


def _damaged(one: DamagedFile, see: _Gallery) -> _Item:
    return _Item((see(one.file, label=_label(one.label)),), one.reason)


def _remark(labels: Sequence[bool | None], audit: Audit) -> str:
    """Say so if damage goes with one label: then it is a shortcut itself."""
    known = [label for label in labels if label is not None]
    if len(known) < _TELLING or len(set(known)) > 1:
        return ""
    others = audit.counts.fractured if known[0] else audit.counts.not_fractured
    whole = audit.counts.fractured + audit.counts.not_fractured
    if whole == 0 or (others / whole) ** len(known) > 0.01:
        return ""
    return f"All {len(known)} are labelled {_label(known[0])}: the damage gives the label away."


def _contrary(group: CopyGroup, see: _Gallery) -> _Item:
    """Show one copy of either label."""
    label_of = dict(zip(group.files, group.labels, strict=True))
    ties = sorted(group.pairs, key=lambda pair: label_of[pair.one] == label_of[pair.other])
    chosen = [
        next(file for file in group.files if label_of[file] is label) for label in (True, False)
    ]
    pair = ties[0]
    if {label_of[pair.one], label_of[pair.other]} == {True, False}:
        chosen = [pair.one, pair.other]
    pictures = tuple(see(file, label=_label(label_of[file])) for file in chosen)
    return _Item(pictures, pair.change, _others(group, len(pictures)))


def _copies(group: CopyGroup, see: _Gallery) -> _Item:
    label_of = dict(zip(group.files, group.labels, strict=True))
    pair = min(group.pairs, key=lambda pair: pair.similarity)
    pictures = tuple(see(file, label=_label(label_of[file])) for file in (pair.one, pair.other))
    alike = "" if pair.kind == "exact" else f" (alikeness {pair.similarity:.2f})"
    return _Item(pictures, f"{pair.change}{alike}", _others(group, 2))


def _others(group: CopyGroup, shown: int) -> str:
    count = len(group.files) - shown
    return "" if count < 1 else f"and {count} more {'copy' if count == 1 else 'copies'}"


def _conflicts(audit: Audit, see: _Gallery) -> Iterable[_Section]:
    for kind, said in TABLE_CONFLICTS.items():
        found = [one for one in audit.table_conflicts if one.kind == kind]
        if found:
            shown = found[:_MOST_LINES]
            yield _Section(
                *(f"table-{kind}", said, len(found)),
                tuple(_conflict(one, see) for one in shown),
                part_of="table_conflicts",
            )


def _conflict(one: TableConflict, see: _Gallery) -> _Item:
    pictures = (see(one.file, boxes=one.boxes),) if one.file else ()
    # Below a picture its file is named already.
    return _Item(pictures, one.words if pictures else f"{one.name}: {one.words}")


def _leaks(audit: Audit, see: _Gallery) -> Iterable[_Section]:
    def key(leak: Leak) -> tuple[str, str]:
        return leak.split, leak.kind

    for place, ((split, _), several) in enumerate(groupby(audit.leaks, key)):
        found = list(several)
        items = tuple(_leak(one, see) for one in found[: MOST_PICTURES // 2])
        yield _Section(
            *(f"leaks-{place}", LEAKS[found[0].kind], len(found), items),
            where=f"in the split {split}",
            part_of="leaks",
        )


def _leak(one: Leak, see: _Gallery) -> _Item:
    if one.one == one.other:
        return _Item((see(one.one, label=f"{one.one_side} and {one.other_side}"),), one.words)
    pictures = (see(one.one, label=one.one_side), see(one.other, label=one.other_side))
    return _Item(pictures, one.words)


def _nothing_found(audit: Audit) -> Sequence[str]:
    """Return in words what was looked for and not found."""
    clean = [said.title.lower() for name, said in LISTS.items() if not getattr(audit, name)]
    if not audit.table_conflicts:
        clean.append("contradictions between tables, folders and annotations")
    if audit.shortcuts and not audit.named_shortcuts:
        clean.append("shortcuts")
    if audit.splits and not audit.leaks:
        clean.append(f"leaks across {', '.join(audit.splits)}")
    return clean


def _dropped(audit: Audit) -> Sequence[tuple[str, int]]:
    """Return why films do not come into the clean list, with how many, most first."""
    counts: dict[str, int] = {}
    for one in audit.clean:
        if not one.keep:
            reason = one.reason.partition(":")[0]
            reason = "copy of another film" if reason.startswith("copy of ") else reason
            counts[reason] = counts.get(reason, 0) + 1
    return sorted(counts.items(), key=lambda pair: -pair[1])


def _label(label: bool | None) -> str:
    return {True: "fractured", False: "not fractured", None: "no label"}[label]


def _bar(one: Shortcut, width: float = 100.0) -> dict[str, float]:
    """Return where the bar and the whisker of a shortcut begin and end, 0.5 at the left edge."""
    place = partial(_place, width=width)
    return {"end": place(one.auroc), "low": place(one.low), "high": place(one.high)}


def _place(auroc: float, *, width: float) -> float:
    return round(width * min(max(2 * (auroc - 0.5), 0.0), 1.0), 2)
