from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from fracturax.core.config import build, load_toml
from fracturax.core.errors import ConfigError


@dataclass(frozen=True)
class Optimizer:
    learning_rate: float
    steps: int = 10


@dataclass(frozen=True)
class Recipe:
    name: str
    optimizer: Optimizer
    kind: Literal["fast", "exact"] = "fast"
    limit: int | None = None
    shape: tuple[int, int] = (1, 1)
    names: tuple[str, ...] = ()
    rates: tuple[tuple[str, float], ...] = ()
    is_mirrored: bool = field(default=False)


OPTIMIZER = {"learning_rate": 0.1}


def _build(**more: object) -> Recipe:
    return build(Recipe, {"name": "a", "optimizer": OPTIMIZER, **more}, where="a.toml")


def test_tables_and_lists_become_dataclasses_and_tuples() -> None:
    built = _build(shape=[3, 4], names=["x", "y"], rates=[["a", 1], ["b", 0.5]], limit=7)
    assert built == Recipe(
        "a", Optimizer(0.1), "fast", 7, (3, 4), ("x", "y"), (("a", 1.0), ("b", 0.5))
    )


def test_a_whole_number_is_a_float_where_one_is_asked_for() -> None:
    rate = build(Optimizer, {"learning_rate": 1}, where="x").learning_rate
    assert (rate, type(rate)) == (1.0, float)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"optimiser": OPTIMIZER, "name": "a"}, "did you mean 'optimizer'?"),
        ({"zzz": 1}, "known: name, optimizer"),
        ({"name": "a"}, "lacks a key; got no optimizer"),
        ({"name": "a", "optimizer": 3}, "a.toml: optimizer must be a table"),
        ({"name": "a", "optimizer": {"learning_rat": 1.0}}, "did you mean 'learning_rate'?"),
        ({"name": "a", "optimizer": {"learning_rate": "fast"}}, "must be of type float"),
        ({"name": "a", "optimizer": {"learning_rate": True}}, "must be of type float"),
    ],
)
def test_a_wrong_document_names_the_place_and_the_neighbour(
    document: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build(Recipe, document, where="a.toml")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": 3},
        {"kind": "slow"},
        {"limit": "many"},
        {"limit": 1.5},
        {"limit": True},
        {"shape": [1, 2, 3]},
        {"shape": "12"},
        {"names": "x"},
        {"names": [1]},
        {"is_mirrored": 1},
        {"optimizer": {**OPTIMIZER, "steps": 2.0}},
    ],
)
def test_a_value_of_a_wrong_type_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        _build(**wrong)
    assert next(iter(wrong)) in str(caught.value)


def test_an_optional_value_may_be_none() -> None:
    assert _build(limit=None).limit is None


def test_a_toml_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text('name = "ä"\n[optimizer]\nlearning_rate = 1e-3\n', encoding="utf-8")
    assert load_toml(Recipe, path) == Recipe("ä", Optimizer(1e-3))


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe\x00", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"r\.toml is no readable TOML"):
        load_toml(Recipe, path)


def test_a_missing_file_and_a_folder_are_errors_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such recipe"):
        load_toml(Recipe, tmp_path / "none.toml")
    with pytest.raises(ConfigError):
        load_toml(Recipe, tmp_path)
