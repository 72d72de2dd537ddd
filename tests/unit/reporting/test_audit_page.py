"""The page of an audit says what was found, shows what can be shown, and is one file."""

import re
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest

from fracturax.core.audit import (
    Audit,
    AuditCounts,
    CopyGroup,
    CopyLink,
    DamagedFile,
    Leak,
    LeakKind,
    Shortcut,
    TableConflict,
    TableConflictKind,
    Verdict,
)
from fracturax.reporting.audit_page import MOST_PICTURES, audit_page, files_shown
from fracturax.reporting.audit_wording import (
    LEAKS,
    LISTS,
    TABLE_CONFLICTS,
    finding_lines,
    headline,
)

COUNTS = AuditCounts(
    files=900, listed=900, read=860, fractured=200, not_fractured=660, unlabelled=0, kept=800
)
FILM = np.tile(np.arange(0, 200, 2, dtype=np.uint8), (120, 1))


def _look(file: str) -> npt.NDArray[np.uint8] | None:
    return None if file.startswith("broken") else FILM


def _audit(**lists: object) -> Audit:
    return Audit("folder", "films", "0.1", COUNTS, **lists)  # type: ignore[arg-type]


def _shortcut(trait: str, verdict: Verdict, cure: str) -> Shortcut:
    return Shortcut(
        *(trait, trait.capitalize(), 0.7, 0.66, 0.74, 0.62, None, 800, verdict),
        *("size 9 x 9: 81 % of 312 films are fractured", 0.81, 312, 0.14, cure),
    )


def _group(number: int, labels: tuple[bool, bool] = (True, True)) -> CopyGroup:
    files = (f"a{number}.png", f"b{number}.png")
    return CopyGroup(files, labels, (CopyLink(*files, "near", "mirrored", 0.95),))


def test_every_kind_of_finding_has_its_words() -> None:
    assert set(TABLE_CONFLICTS) == set(get_args(TableConflictKind))
    assert set(LEAKS) == set(get_args(LeakKind))
    for said in (*LISTS.values(), *TABLE_CONFLICTS.values(), *LEAKS.values()):
        assert all((said.title, said.one, said.several, said.why, said.cure))


def test_the_headline_counts_its_lines() -> None:
    audit = _audit(
        truncated=(DamagedFile("a", "a.png", "cut"), DamagedFile("b", "b.png", "cut")),
        copies=(_group(0),),
        table_conflicts=tuple(
            TableConflict(kind, "a", "words") for kind in get_args(TableConflictKind) * 2
        ),
        shortcuts=(
            _shortcut("rows", "shortcut", "resize"),
            _shortcut("columns", "shortcut", "resize"),
            _shortcut("mode", "weak", "grey"),
        ),
        leaks=tuple(
            Leak("mine", kind, "a", "train", "b", "test", "w") for kind in get_args(LeakKind)
        ),
    )
    lines = finding_lines(audit)
    assert len(lines) == audit.findings == 2 + len(TABLE_CONFLICTS) + 1 + len(LEAKS)
    assert headline(audit) == f"{len(lines)} things to mend before you train"
    shortcut = next(line for line in lines if line.anchor == "shortcuts")
    assert shortcut.words == "shortcuts: rows and columns give the label away"
    page = audit_page(audit, look=_look)
    for line in lines:
        assert page.count(f'id="{line.anchor}"') == 1


def test_a_clean_data_set_is_said_to_be_clean() -> None:
    page = audit_page(_audit(), look=_look)
    assert "Nothing to mend was found" in page
    assert "Looked for and not found: truncated files" in page
    assert "data:image" not in page


def test_of_many_the_least_alike_are_shown_and_the_rest_is_counted() -> None:
    copies = tuple(_group(number) for number in range(150))
    doubtful = CopyGroup(
        ("x.png", "y.png"), (True, True), (CopyLink("x.png", "y.png", "near", "w", 0.9),)
    )
    audit = _audit(copies=(*copies, doubtful))
    shown = files_shown(audit)
    assert shown[:2] == ["x.png", "y.png"]
    assert len(shown) == 2 * MOST_PICTURES
    asked: list[str] = []

    def look(file: str) -> npt.NDArray[np.uint8]:
        asked.append(file)
        return FILM

    page = audit_page(audit, look=look)
    assert f"and {151 - MOST_PICTURES} more" in page
    assert sorted(asked) == sorted(shown)


def test_copies_with_contrary_labels_are_shown_by_their_labels() -> None:
    page = audit_page(_audit(copies=(_group(0, (True, False)),)), look=_look)
    section = page[page.index('id="label_conflicts"') : page.index('id="copies"')]
    assert 'alt="a0.png, fractured"' in section
    assert 'alt="b0.png, not fractured"' in section


def test_a_box_outside_is_drawn_where_it_lies() -> None:
    box = (10.0, 90.0, 30.0, 140.0)
    conflict = TableConflict("box_outside", "a", "40 px outside", "a.png", (box,))
    page = audit_page(_audit(table_conflicts=(conflict,)), look=_look)
    assert 'viewBox="0 0 140 120"' in page
    assert '<rect class="box" x="90.0" y="10.0" width="50.0" height="20.0"/>' in page


def test_damage_that_goes_with_one_label_is_pointed_out() -> None:
    def page(labels: list[bool]) -> str:
        damaged = tuple(
            DamagedFile(str(n), f"broken{n}.png", "cut", label) for n, label in enumerate(labels)
        )
        return audit_page(_audit(truncated=damaged), look=_look)

    assert "All 30 are labelled not fractured" in page([False] * 30)
    assert "All 5 are labelled fractured" in page([True] * 5)
    # Three in four films are not fractured: five such are no surprise.
    assert "the damage gives the label away" not in page([False] * 5)
    assert "the damage gives the label away" not in page([False] * 30 + [True])
    assert "no picture can be shown" in page([True])


def test_the_bars_lie_between_a_half_and_one() -> None:
    page = audit_page(_audit(shortcuts=(_shortcut("rows", "shortcut", "resize"),)), look=_look)
    bar = page[page.index('class="bar-box"') : page.index("</svg>", page.index('class="bar-box"'))]
    assert re.search(r'width="40.0" height="10" fill="var\(--fracture\)"', bar)
    assert 'x1="32.0" x2="48.0"' in bar
    assert "0.70 " in page
    assert "(0.66–0.74)" in page


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_no_text_of_a_file_becomes_markup(evil: str) -> None:
    audit = Audit(
        evil,
        evil,
        "0.1",
        COUNTS,
        unreadable=(DamagedFile(evil, f"broken{evil}", evil),),
        copies=(CopyGroup((evil, evil + "2"), (True, None), (
            CopyLink(evil, evil + "2", "near", evil, 0.9),)),),
        table_conflicts=(
            TableConflict("box_empty", evil, evil, evil, ((1.0, 1.0, 1.0, 1.0),)),
            TableConflict("listed_but_absent", evil, evil),
        ),
        leaks=(Leak(evil, "copy", evil, evil, evil + "2", evil, evil),),
        notes=(evil,),
    )  # fmt: skip
    page = audit_page(audit, look=_look)
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "default-src 'none'" in page
