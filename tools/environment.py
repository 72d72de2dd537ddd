"""Make or renew a virtual environment with FracturaX in it; Python's standard library only.

    python3 tools/environment.py .venv              the default install
    python3 tools/environment.py .venv-dev dev      with an extra

An environment is installed anew only when the constraints or the dependencies changed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"


def main(folder: Path, extra: str) -> None:
    """Make the environment ready."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this runs before anything is checked
        sys.exit(f"FracturaX needs Python 3.11 or newer; got {sys.version.split()[0]}")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp, state = folder / "fracturax.stamp", state_hash(extra)
    if not python.exists():
        make(folder, python)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != state:
        target = f"{ROOT}[{extra}]" if extra else str(ROOT)
        # Bytecode is made for what is imported; made for everything it takes 140 MB.
        options = ["--no-compile", "--constraint", str(CONSTRAINTS)]
        pip(python, "install", *options, "--editable", target)
        stamp.write_text(state, encoding="utf-8")


def state_hash(extra: str) -> str:
    """Hash what decides the content of an environment: this checkout's place included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = repr((project["dependencies"], project["optional-dependencies"], extra, str(ROOT)))
    text = CONSTRAINTS.read_text(encoding="utf-8") + wanted + sys.version
    return hashlib.sha256(text.encode()).hexdigest()


def make(folder: Path, python: Path) -> None:
    """Make an empty environment; Debian's Python comes without the part that puts pip into it."""
    try:
        import ensurepip  # noqa: F401

        venv.create(folder, with_pip=True, clear=True)
    except ImportError:
        venv.create(folder, with_pip=False, clear=True)
        have_pip = [sys.executable, "-m", "pip", "--python", str(python)]
        done = subprocess.run([*have_pip, "install", "--quiet", "pip"], check=False)
        if done.returncode:
            sys.exit("this Python has neither venv nor pip; run: sudo apt install python3-venv")


def pip(python: Path, *arguments: str) -> None:
    """Run the environment's pip, quietly."""
    options = ["--quiet", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run([str(python), "-m", "pip", *arguments, *options], check=False)
    if done.returncode:
        sys.exit("the install failed; pip says above why")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]).absolute(), sys.argv[2] if len(sys.argv) > 2 else "")
