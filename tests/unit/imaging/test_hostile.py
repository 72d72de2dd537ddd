"""Hostile files: each ends in one error that says what, got, cure, within 256 MiB and quickly."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dicom_builders import HOSTILE

_LIMIT_KIB = 256 * 1024

# One process reads all files: the peak of its memory is at least that of the worst.
_READER = """
import json, re, sys
from pathlib import Path
import numpy, pydicom, PIL.Image, nibabel
from pydicom.pixels.decoders import base
from fracturax.core.errors import UnreadableImageError
from fracturax.imaging import open_study

def peak():
    # Not ru_maxrss: a child inherits the peak of the process that started it.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

idle = peak()
for line in sys.stdin:
    path = Path(line.strip())
    try:
        open_study(path)
        answer = "no error"
    except UnreadableImageError as error:
        answer = ""
        text = str(error)
    except BaseException as error:
        answer = repr(error)
    print(json.dumps([path.parent.name, answer, text if not answer else "", peak() - idle]))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str, int]]:
    folder = tmp_path_factory.mktemp("hostile")
    paths: list[Path] = []
    for name, (file_name, build) in HOSTILE.items():
        (folder / name).mkdir()
        (folder / name / file_name).write_bytes(build())
        paths.append(folder / name / file_name)
    (folder / "folder_without_files").mkdir()
    (folder / "folder_without_files" / "inside").mkdir()
    paths.append(folder / "folder_without_files" / "inside")
    paths.append(folder / "not_there" / "a.dcm")
    done = subprocess.run(
        [sys.executable, "-c", _READER],
        input="\n".join(map(str, paths)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: (wrong, text, kib) for name, wrong, text, kib in found}


@pytest.mark.parametrize("name", [*HOSTILE, "folder_without_files", "not_there"])
def test_hostile_file_ends_in_one_error(
    name: str, answers: dict[str, tuple[str, str, int]]
) -> None:
    wrong, text, kib = answers[name]
    assert wrong == ""
    assert text.count("; ") >= 1
    assert "Secret" not in text
    assert "1.2.3.4" not in text
    assert kib < _LIMIT_KIB
