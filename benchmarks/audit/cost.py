"""What an audit costs: `fracturax audit` as a process of its own.

    python benchmarks/audit/cost.py --root ../shared/data/fracatlas --scale 2500 --scale 40000

`--root` audits a release, `--scale N` as many drawn films. Writes `cost.json` beside this script:
wall-clock seconds, CPU seconds, the highest memory of all its processes together (proportional set
size, sampled four times a second, so that what they share counts once; and the plain sum of their
resident sets), and how much was found.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent
PAUSE_S = 0.25
SEED = 20261121


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [one for child in task.read_text().split() for one in family(int(child))]
        except OSError:
            continue
    return found


def memory_kb(pid: int) -> dict[str, int]:
    """Return the lines of a process's memory summary, in kB; none where it has just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {name: int(rest.split()[0]) for name, rest in (line.split(":", 1) for line in lines)}


def cost_of(root: Path) -> dict[str, object]:
    """Audit a data set in a process of its own."""
    highest = {"Pss": 0, "Rss": 0}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fracturax", "audit", str(root), "--out", folder]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            said = [memory_kb(pid) for pid in family(process.pid)]
            for kind, value in highest.items():
                highest[kind] = max(value, sum(one.get(kind, 0) for one in said))
            time.sleep(PAUSE_S)
        wall_s = time.perf_counter() - start
        if process.returncode:
            sys.exit(f"the audit ended with code {process.returncode}")
        found = json.loads((Path(folder) / "audit.json").read_text(encoding="utf-8"))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    films = found["counts"]["files"]
    return {
        "films": films,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s, 1),
        "cpu_ms_a_film": round(1000 * cpu_s / films, 2),
        "highest_mb": round(highest["Pss"] / 1024),
        "highest_sum_of_resident_mb": round(highest["Rss"] / 1024),
        "found": {name: len(value) for name, value in found.items() if isinstance(value, list)},
    }


def draw(folder: Path, films: int) -> None:
    """Draw films of coarse and fine noise, each with a picture of its own, in two classes."""
    for label in ("fractured", "normal"):
        (folder / label).mkdir()
    for number in range(films):
        generator = np.random.default_rng([SEED, number])
        coarse = generator.normal(0, 1, (12, 10)).astype(np.float32)
        fine = generator.normal(0, 1, (60, 50)).astype(np.float32)
        film = 128 + sum(
            weight * cv2.resize(noise, (200, 240), interpolation=cv2.INTER_CUBIC)
            for noise, weight in ((coarse, 40), (fine, 12))
        )
        pixels = np.clip(film, 0, 255).astype(np.uint8)
        label = "fractured" if generator.random() < 0.3 else "normal"
        cv2.imwrite(str(folder / label / f"film{number:05d}.jpg"), pixels)


def main() -> None:
    """Measure and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, help="folder of a release")
    parser.add_argument("--scale", type=int, action="append", default=[], help="drawn films")
    options = parser.parse_args()
    path = HERE / "cost.json"
    result = json.loads(path.read_text()) if path.is_file() else {}
    result["machine"] = f"{platform.machine()}, {os.cpu_count()} cores"
    if options.root is not None:
        result["release"] = cost_of(options.root)
    for films in options.scale:
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder), films)
            result.setdefault("drawn", {})[str(films)] = cost_of(Path(folder))
    text = json.dumps(result, indent=1) + "\n"
    path.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
