"""What starting costs: each library is imported where it is needed, and not before."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fracturax.core.registry import Registry
from fracturax.datasets import DATASETS
from fracturax.datasets.registry import MASKED_FILMS
from fracturax.example import example_study_folder
from fracturax.models.catalog import (
    BACKBONES,
    ENCODERS,
    FILM_STREAMS,
    FUSIONS,
    NETWORKS,
    VOLUME_NETWORKS,
)
from fracturax.transforms.catalog import TRANSFORMS

ROOT = Path(__file__).parents[2]
REGISTRIES = (
    *(DATASETS, MASKED_FILMS, TRANSFORMS),
    *(NETWORKS, BACKBONES, ENCODERS, VOLUME_NETWORKS, FILM_STREAMS, FUSIONS),
)


def _imported_by(program: str) -> set[str]:
    """Run a program in a fresh interpreter and return the top packages it imported."""
    said = subprocess.run(
        [sys.executable, "-c", program + "\nimport sys; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return {name.partition(".")[0] for name in said.split()}


def test_importing_fracturax_imports_nothing_heavy() -> None:
    heavy = {"numpy", "torch", "pydicom", "cv2", "pandas", "scipy", "onnxruntime", "matplotlib"}
    assert not _imported_by("import fracturax") & heavy


def test_opening_a_film_needs_neither_networks_nor_statistics() -> None:
    film = example_study_folder() / "leg"
    modules = _imported_by(f"import fracturax as fx; assert fx.open({str(film)!r}).radiographs")
    assert "pydicom" in modules
    heavy = {"torch", "torchvision", "lightning", "pandas", "sklearn", "matplotlib", "onnx"}
    assert not modules & heavy


def test_the_reader_of_a_bundle_needs_no_torch() -> None:
    modules = _imported_by(
        "import fracturax.models.runtime, fracturax.models.bundle, fracturax.pipelines.read,"
        " fracturax.reporting, fracturax.cli.app"
    )
    assert not modules & {"torch", "torchvision", "lightning", "onnx", "sklearn"}


def test_reading_keeps_and_sends_nothing_about_the_machine(tmp_path: Path) -> None:
    # ONNX Runtime writes an identifier of the device and what it is about to send below the home
    # folder, unless it is told not to; in a pipeline of tests it holds back by itself. OpenVINO's
    # converters do so by a package of their own. Here both run, to be timed.
    quiet = {"CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "ORT_DISABLE_TELEMETRY"}
    quiet |= {"FRACTURAX_RUNTIME"}
    environment = {name: value for name, value in os.environ.items() if name not in quiet}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    film = example_study_folder() / "leg"
    program = (
        f"import fracturax as fx, sys; fx.read(fx.open({str(film)!r}), fx.load('xray'));"
        "assert sys.modules['openvino'] and not sys.modules['openvino_telemetry']"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    kept = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert kept == {".fracturax/runtimes.json"}


@pytest.mark.parametrize(
    ("package", "holder"),
    [("onnxruntime", "session.py"), ("openvino", "openvino_session.py")],
)
def test_a_runtime_is_imported_in_one_place(package: str, holder: str) -> None:
    holders = [
        path.name
        for path in (ROOT / "src").rglob("*.py")
        if f"import {package}\n" in path.read_text(encoding="utf-8")
    ]
    assert holders == [holder]


@pytest.mark.parametrize(
    ("registry", "name"),
    [(registry, name) for registry in REGISTRIES for name in registry],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_the_code_of_every_registry_entry_is_there(
    registry: Registry,
    name: str,  # type: ignore[type-arg]
) -> None:
    assert callable(registry.load(name))


def test_every_public_data_set_names_its_licence_paper_and_source() -> None:
    for entry in DATASETS.values():
        if entry.is_own:
            continue
        assert entry.licence
        assert "10." in entry.paper
        assert "10." in entry.source


def test_imports_point_down_only() -> None:
    command = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert command is not None, "import-linter comes with the dev extra"
    result = subprocess.run([command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
