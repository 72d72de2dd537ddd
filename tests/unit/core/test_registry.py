import subprocess
import sys
from dataclasses import dataclass

import pytest

from fracturax.core.errors import UnknownNameError
from fracturax.core.registry import Registry


@dataclass(frozen=True)
class Thing:
    name: str
    code: str


THINGS = Registry("thing", (Thing("root", "math:sqrt"), Thing("broken", "no_such_module:thing")))


def test_an_entry_is_found_by_name_in_the_order_listed() -> None:
    assert list(THINGS) == ["root", "broken"]
    assert THINGS["root"].code == "math:sqrt"
    assert "root" in THINGS
    assert len(THINGS) == 2


def test_code_is_what_the_entry_names() -> None:
    assert THINGS.load("root")(9.0) == 3.0


def test_code_is_imported_only_when_it_is_built() -> None:
    program = (
        "import sys\n"
        "from fracturax.models.catalog import NETWORKS\n"
        "assert 'xray' in NETWORKS\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_wrong_name_says_what_kind_and_the_neighbour() -> None:
    with pytest.raises(UnknownNameError, match="no thing of this name; got 'rot'; did you mean"):
        THINGS["rot"]


def test_two_entries_of_one_name_are_a_bug() -> None:
    with pytest.raises(AssertionError):
        Registry("thing", (Thing("a", "math:sin"), Thing("a", "math:cos")))
