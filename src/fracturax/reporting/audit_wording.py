"""What the lists of an audit are called, why each matters, and what to do about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from fracturax.core.audit import Audit, LeakKind, TableConflictKind


@dataclass(frozen=True)
class Explanation:
    """A kind of finding in words.

    Args:
        title: Heading.
        one: One of them, as it is counted (`truncated file`).
        several: Several of them (`truncated files`).
        why: Why it matters.
        cure: What to do.
    """

    title: str
    one: str
    several: str
    why: str
    cure: str


@dataclass(frozen=True)
class FindingLine:
    """A thing to mend, in one line.

    Args:
        anchor: Section of the page that shows it.
        number: How many there are.
        words: What they are.
    """

    anchor: str
    number: int
    words: str


LISTS: dict[str, Explanation] = {
    "truncated": Explanation(
        "Truncated files",
        "truncated file",
        "truncated files",
        "The end of the file is missing. Some programs refuse it, others paint the rest grey "
        "without a word, and a model learns the grey.",
        "Fetch the files again; where that gives the same, leave them out.",
    ),
    "unreadable": Explanation(
        "Unreadable files",
        "unreadable file",
        "unreadable files",
        "No picture can be had from it, so training stops there, or goes on without telling.",
        "Fetch the files again; where that gives the same, leave them out.",
    ),
    "copies": Explanation(
        "Copies",
        "picture stored more than once",
        "pictures stored more than once",
        "Copies count one patient several times. On two sides of a split they turn a test into "
        "a test of memory.",
        "Keep one of each picture (--fix does), or keep all copies on one side of every split.",
    ),
    "label_conflicts": Explanation(
        "Copies with contrary labels",
        "picture called fractured in one copy and not in another",
        "pictures called fractured in one copy and not in another",
        "One picture cannot be both. Whatever a model answers, it is wrong once.",
        "Have a reader decide; until then leave all copies of the picture out (--fix does).",
    ),
}

TABLE_CONFLICTS: dict[TableConflictKind, Explanation] = {
    "tables_cannot_be_read": Explanation(
        "Tables that cannot be read",
        "table that cannot be read",
        "tables that cannot be read",
        "What stands in them is lost, and a loader refuses the data set.",
        "Fetch the table again, or correct it.",
    ),
    "row_cannot_be_read": Explanation(
        "Entries that cannot be read",
        "entry that cannot be read",
        "entries that cannot be read",
        "A cell holds what it may not hold; a loader refuses it, or worse, guesses.",
        "Correct the entry in the table or annotation.",
    ),
    "listed_but_absent": Explanation(
        "Listed, but not there",
        "film that is listed and not there",
        "films that are listed and not there",
        "Counts and splits include a film that nobody has.",
        "Fetch the missing files, or strike the rows.",
    ),
    "present_but_not_listed": Explanation(
        "There, but not listed",
        "file that no table lists",
        "files that no table lists",
        "A program that reads the folder takes it, one that reads the table does not: two people "
        "train on different data.",
        "List it with its label, or remove it.",
    ),
    "listed_twice": Explanation(
        "Listed twice",
        "film that is listed twice",
        "films that are listed twice",
        "The film counts double, and if the rows differ nobody knows which one is true.",
        "Strike the row that is wrong.",
    ),
    "stored_twice": Explanation(
        "Stored twice under one name",
        "name that several files have",
        "names that several files have",
        "Which file a row means depends on the program that reads it.",
        "Remove the file that is not meant.",
    ),
    "folder_against_table": Explanation(
        "Folder against table",
        "film whose folder contradicts the table",
        "films whose folder contradicts the table",
        "Who trains by folder learns another truth than who trains by table.",
        "Have a reader decide, then correct one of the two.",
    ),
    "table_against_annotation": Explanation(
        "Table against annotation",
        "film whose annotation contradicts the table",
        "films whose annotation contradicts the table",
        "A fracture is outlined on a film that is called healthy.",
        "Have a reader decide, then correct the label or remove the outline.",
    ),
    "table_against_itself": Explanation(
        "Table against itself",
        "row that contradicts itself",
        "rows that contradict themselves",
        "Two cells of one row cannot both be true.",
        "Correct the row.",
    ),
    "annotations_differ": Explanation(
        "Annotation formats that differ",
        "film that two annotation formats mark differently",
        "films that two annotation formats mark differently",
        "Which fractures a detector learns depends on the format that was read.",
        "Find out which format is the original, and derive the others from it.",
    ),
    "count_against_boxes": Explanation(
        "Count of fractures against outlines",
        "film with another number of outlines than its count says",
        "films with another number of outlines than their count says",
        "A fracture that is counted and not outlined teaches a detector to overlook it.",
        "Outline what is missing, or correct the count.",
    ),
    "size_against_file": Explanation(
        "Annotated size against file",
        "film of another size than its annotation says",
        "films of another size than their annotation says",
        "The outlines were drawn on another grid and lie beside the fracture.",
        "Scale or turn the outlines onto the film, or restore the film they were drawn on.",
    ),
    "box_outside": Explanation(
        "Boxes outside the film",
        "box that reaches outside its film",
        "boxes that reach outside their film",
        "There is nothing to see there; the box was drawn on another picture or grid.",
        "Draw it again, or leave the film out of detection.",
    ),
    "box_empty": Explanation(
        "Boxes without area",
        "box without area",
        "boxes without area",
        "It marks nothing, and divides by zero where overlaps are measured.",
        "Draw it again or remove it.",
    ),
    "box_twice": Explanation(
        "Boxes drawn twice",
        "box that is drawn twice",
        "boxes that are drawn twice",
        "A detector that finds the fracture once is charged with overlooking the other.",
        "Remove one of the two.",
    ),
    "polygon_outside_box": Explanation(
        "Outlines that leave their box",
        "outline that leaves its box",
        "outlines that leave their box",
        "Box and outline cannot both be right.",
        "Derive the box from the outline, or draw it again.",
    ),
    "unknown_in_annotations": Explanation(
        "Annotations of unknown films",
        "annotation of a film that is not listed",
        "annotations of films that are not listed",
        "A marked fracture is lost to training.",
        "List the film, or strike the annotation.",
    ),
    "unknown_in_split": Explanation(
        "Splits that name unknown films",
        "film that only the split knows",
        "films that only the split knows",
        "The split was made for another edition of the data; its numbers cannot be repeated.",
        "Make the split again, or strike the names.",
    ),
}

LEAKS: dict[LeakKind, Explanation] = {
    "film": Explanation(
        "One film on two sides",
        "film on two sides",
        "films on two sides",
        "A model is tested on what it was trained on.",
        "Strike it from one side.",
    ),
    "copy": Explanation(
        "Copies on two sides",
        "copy on the other side",
        "copies on the other side",
        "A model is tested on a picture it was trained on, under another name.",
        "Split by groups of copies.",
    ),
    "patient": Explanation(
        "One patient on two sides",
        "film whose patient is on the other side",
        "films whose patient is on the other side",
        "Bones of one patient resemble each other; the test flatters.",
        "Split by patient.",
    ),
    "neighbour": Explanation(
        "Neighbouring numbers on two sides",
        "pair of neighbouring numbers on two sides",
        "pairs of neighbouring numbers on two sides",
        "No patient is named, and neighbouring numbers are often one patient; the test flatters.",
        "Split by neighbourhood of the numbering.",
    ),
}


def headline(audit: Audit) -> str:
    """Say in one line how much there is to mend.

    Example:
        >>> from fracturax.core.audit import AuditCounts, DamagedFile
        >>> counts = AuditCounts(1, 1, 0, 0, 0, 0, 0)
        >>> headline(Audit("folder", "a", "0.1", counts, (DamagedFile("a", "a.png", "cut"),)))
        '1 thing to mend before you train'
    """
    if not audit.findings:
        return "Nothing to mend was found"
    things = "thing" if audit.findings == 1 else "things"
    return f"{audit.findings} {things} to mend before you train"


def finding_lines(audit: Audit) -> list[FindingLine]:
    """Return the things to mend, one line each, as many as the headline counts."""
    conflicts = Counter(one.kind for one in audit.table_conflicts)
    leaks = Counter((one.split, one.kind) for one in audit.leaks)
    lines = [
        _counted(name, len(getattr(audit, name)), LISTS[name])
        for name in LISTS
        if getattr(audit, name)
    ]
    lines += [
        _counted(f"table-{kind}", number, TABLE_CONFLICTS[kind])
        for kind in TABLE_CONFLICTS
        if (number := conflicts[kind])
    ]
    by_cure: dict[str, list[str]] = {}
    for one in audit.named_shortcuts:
        by_cure.setdefault(one.cure, []).append(inside_sentence(one.title))
    for titles in by_cure.values():
        verb = "gives" if len(titles) == 1 else "give"
        words = (
            f"shortcut{'' if len(titles) == 1 else 's'}: {_joined(titles)} {verb} the label away"
        )
        lines.append(FindingLine("shortcuts", len(titles), words))
    for place, ((split, kind), number) in enumerate(leaks.items()):
        line = _counted(f"leaks-{place}", number, LEAKS[kind])
        lines.append(FindingLine(line.anchor, number, f"{line.words} of the split {split}"))
    return lines


def inside_sentence(title: str) -> str:
    """Return a title as it stands inside a sentence.

    Example:
        >>> inside_sentence("Acquisition group"), inside_sentence("JPEG quality")
        ('acquisition group', 'JPEG quality')
    """
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


def _counted(anchor: str, number: int, said: Explanation) -> FindingLine:
    return FindingLine(anchor, number, said.one if number == 1 else said.several)


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
