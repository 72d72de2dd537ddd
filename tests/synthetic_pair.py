"""A synthetic CT and a film of it from a known pose."""

from __future__ import annotations

import numpy as np

from fracturax.core.image import Radiograph, Volume
from fracturax.simulation.cone_beam import ConeBeam, Pose
from fracturax.simulation.film import Exposure, expose
from fracturax.simulation.scene import Scene
from fracturax.simulation.solids import Cuboid, Sphere, voxelize

POSE = Pose((3.0, -4.0, 6.0), (4.0, -5.0, 3.0))
BEAM = ConeBeam(1150, 900, rows=96, columns=96, pixel_mm=(1.6, 1.6), pose=POSE)


def synthetic_ct(name: str = "ct") -> Volume:
    """Bones of no symmetry in flesh."""
    rng = np.random.default_rng(4)
    knobs = [
        Sphere(
            tuple(rng.uniform(-32, 32, 3)), float(rng.uniform(4, 9)), float(rng.uniform(400, 1200))
        )
        for _ in range(12)
    ]
    flesh = Cuboid((0, 0, 0), (96, 84, 90), 40)
    bar = Cuboid((10, -5, -8), (50, 9, 12), 900)
    volume = voxelize([flesh, bar, *knobs], shape=(52, 50, 56), spacing_mm=2.0)
    return Volume(volume.pixels, name=name, geometry=volume.geometry)


def film_of(ct: Volume) -> Radiograph:
    """Return a film of a CT from `POSE`, with the pixel size of `BEAM`."""
    return expose(Scene(ct).cast(BEAM), Exposure(), rng=np.random.default_rng(0), name="film")
