import inspect
import subprocess
import sys
from importlib.resources import files

import pytest

import fracturax

HEADS = {
    # Words a user types; changing one breaks somebody's script.
    "open": ["path"],
    "load": ["model", "precision", "threads"],
    "read": ["study", "model"],
    "report": ["study", "prediction"],
    "write": ["report", "path"],
    "audit": ["root", "dataset", "split", "out"],
    "evaluate": ["model", "cases"],
    "train": ["recipe", "root", "out", "version"],
    "open_dataset": ["name", "root", "split", "salt"],
    "example_study_folder": [],
}


@pytest.mark.parametrize("name", fracturax.__all__)
def test_a_public_name_resolves_and_is_documented(name: str) -> None:
    thing = getattr(fracturax, name)
    assert inspect.getdoc(thing)


def test_the_public_names_are_known_to_editors_and_star_imports() -> None:
    assert set(fracturax.__all__) <= set(dir(fracturax))
    assert fracturax.__all__ == sorted(fracturax.__all__, key=lambda name: (name.islower(), name))


@pytest.mark.parametrize("name", HEADS)
def test_a_verb_takes_the_words_it_always_took(name: str) -> None:
    assert list(inspect.signature(getattr(fracturax, name)).parameters) == HEADS[name]


def test_every_verb_is_public() -> None:
    verbs = {name for name in fracturax.__all__ if not inspect.isclass(getattr(fracturax, name))}
    assert verbs == HEADS.keys()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'raed'"):
        fracturax.raed  # noqa: B018


def test_the_package_is_typed_and_says_its_version() -> None:
    assert files("fracturax").joinpath("py.typed").is_file()
    said = subprocess.run(
        [sys.executable, "-m", "fracturax", "--version"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert said.strip() == f"fracturax {fracturax.__version__}"
