"""The docs say what the code does: their code runs, their links lead somewhere, nothing lags."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from fracturax.cli.app import app
from fracturax.core import errors

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *DOCS.rglob("*.md"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ]
)
HOW_TO = "\n".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *DOCS.glob("how-to/*.md"))
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    "page",
    [
        "life-of-a-radiograph.md",
        "how-to/read.md",
        "how-to/preprocess.md",
        "how-to/simulate.md",
    ],
)
def test_the_python_of_a_page_runs_from_top_to_bottom(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = [match for match in _FENCE.finditer(text) if match[1] == "python"]
    assert blocks
    names: dict[str, object] = {"__name__": "__docs__"}
    for match in blocks:
        # Blank lines in front: a traceback then names the line of the page.
        code = "\n" * (text.count("\n", 0, match.start()) + 1) + match[2]
        exec(compile(code, page, "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=_relative)
def test_a_relative_link_leads_to_a_file(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = {link.partition("#")[0] for link in _LINK.findall(text) if "://" not in link}
    missing = sorted(target for target in targets if not (page.parent / target).exists())
    assert not missing


def test_every_page_is_on_the_map() -> None:
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    mapped = {(DOCS / link).resolve() for link in _LINK.findall(text)}
    pages = {path.resolve() for path in DOCS.rglob("*.md")} - {(DOCS / "index.md").resolve()}
    assert pages <= mapped


def test_the_reference_is_in_step_with_the_source() -> None:
    assert _reference().lagging() == []


def test_the_reference_shows_every_public_name_and_every_option() -> None:
    import fracturax

    pages = _reference().pages()
    assert all(f"#### `{name}`" in pages["python.md"] for name in fracturax.__all__)
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        assert f"## `fracturax {name}`" in pages["cli.md"]
        options = [option for parameter in command.params for option in parameter.opts]
        assert all(option in pages["cli.md"] for option in options)


def _reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(get_command(app).commands))  # type: ignore[attr-defined]
def test_a_command_is_told_in_a_how_to_or_the_readme(name: str) -> None:
    assert re.search(rf"\bfracturax {name}\b", HOW_TO)


def test_every_exit_code_is_told() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.FracturaXError)
    ]
    codes = {errors.edge_code(kind).exit_code for kind in kinds} | {0, 2, 130}
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", HOW_TO, re.MULTILINE)}
    assert told == codes
