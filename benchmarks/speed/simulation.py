"""How fast a film is simulated, beside a straight ray sum of SciPy in the same run.

    NUMBA_NUM_THREADS=2 python benchmarks/speed/simulation.py [--runs 9] [--out FILE]

A SYNTHETIC CT of 400 x 400 x 300 voxels (a trunk of flesh, a ball of bone), a film of 512 x 512:
  rays   water and bone along each ray
  film   the same, then spectrum, scatter, blur, noise and the look of a film
  peer   scipy.ndimage.map_coordinates (linear) along the same rays inside the CT's box, one sample
         a voxel, summed; of every 8th row, and times 8
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import scipy
from scipy.ndimage import map_coordinates

from fracturax.core.image import Volume
from fracturax.simulation.cone_beam import ConeBeam, Pose
from fracturax.simulation.film import Exposure, expose
from fracturax.simulation.scene import Scene
from fracturax.simulation.solids import Cuboid, Sphere, voxelize

SHAPE = (300, 400, 400)
PEER_EVERY = 8


def made_up() -> Volume:
    """Return the CT."""
    trunk, ball = Cuboid((0, 0, 0), (360, 240, 290), 40), Sphere((0, 0, 0), 60, 900)
    return voxelize([trunk, ball], shape=SHAPE)


def peer_rays(volume: Volume, beam: ConeBeam) -> np.ndarray:
    """Sum samples of every 8th row of the film, one sample a voxel."""
    rows = np.arange(0, beam.rows, PEER_EVERY)
    grid = np.stack(np.meshgrid(rows, np.arange(beam.columns), indexing="ij"), -1).reshape(-1, 2)
    to_voxels = np.linalg.inv(np.array(volume.geometry.affine))
    source = to_voxels[:3, :3] @ beam.source_mm + to_voxels[:3, 3]
    ways = beam.detector_points(grid) @ to_voxels[:3, :3].T + to_voxels[:3, 3] - source
    lengths = np.linalg.norm(ways, axis=1)
    middle = (np.array(SHAPE) - 1) / 2
    around = np.linalg.norm(middle)
    center = np.linalg.norm(middle - source)
    steps = np.arange(center - around, center + around)
    sums = np.empty(len(ways), np.float32)
    for start in range(0, len(ways), 4096):
        part = slice(start, start + 4096)
        units = ways[part] / lengths[part, None]
        places = source[:, None, None] + units.T[:, :, None] * steps
        is_inside = ((places > -0.5) & (places < np.array(SHAPE)[:, None, None] - 0.5)).all(axis=0)
        values = np.zeros(is_inside.shape, np.float32)
        values[is_inside] = map_coordinates(
            volume.pixels, places[:, is_inside], np.float32, order=1, mode="nearest"
        )
        sums[part] = np.where(is_inside, values / 1000 + 1, 0).sum(axis=1)
    return sums.reshape(len(rows), beam.columns)


def timed(work: Callable[[], object], *, runs: int) -> dict[str, float]:
    """Return the median time on the wall and on the cores, after one run to warm up.

    Beside other work on the same cores the wall says how busy they are, the cores what it costs.
    """
    work()
    wall, cores = [], []
    for _ in range(runs):
        start = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - start[0])
        cores.append(time.process_time() - start[1])
    return {
        "wall_s": round(statistics.median(wall), 3),
        "least_wall_s": round(min(wall), 3),
        "cpu_s": round(statistics.median(cores), 3),
    }


def main() -> None:
    """Run and print or write the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    volume = made_up()
    scene = Scene(volume)
    result: dict[str, object] = {
        "ct": "synthetic, 400 x 400 x 300, 1 mm",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "numba_threads": numba.get_num_threads(),
        "load_average": round(os.getloadavg()[0], 1),
        "scipy": scipy.__version__,
    }
    poses = {"ap": Pose(), "oblique": Pose((5, 10, 30)), "lateral": Pose((0, 0, 90))}
    for name, pose in poses.items():
        beam = ConeBeam(1150, 850, pose=pose, center_mm=scene.center_mm)
        rays = timed(lambda beam=beam: scene.cast(beam), runs=options.runs)
        film = timed(
            lambda beam=beam: expose(scene.cast(beam), Exposure(), rng=np.random.default_rng(0)),
            runs=options.runs,
        )
        times = {"rays": rays, "film": film, "films_a_second": round(1 / film["wall_s"], 2)}
        if name == "ap":
            peer = timed(lambda beam=beam: peer_rays(volume, beam), runs=1)
            peer = {key: round(value * PEER_EVERY, 2) for key, value in peer.items()}
            times |= {
                "scipy": peer,
                "wall_ratio": round(peer["wall_s"] / rays["wall_s"], 1),
                "cpu_ratio": round(peer["cpu_s"] / rays["cpu_s"], 1),
            }
        result[name] = times
    text = json.dumps(result, indent=2)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
