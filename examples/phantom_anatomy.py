"""Outlines of the bones in the example films, in millimetres: data for make_example_study.py."""

from __future__ import annotations

import math
from dataclasses import dataclass

Knot = tuple[float, float, float, float, float, float]
"""`(t, left, right, depth, cortex, spongy)`: at t mm along the bone its edges lie `left` and
`right` of the straight line, it is 2 x `depth` thick along the ray, its shell is `cortex` thick,
and `spongy` in [0, 1] says how much spongy bone fills it (0: marrow)."""


@dataclass(frozen=True)
class Break:
    """A fracture: at t mm, running `slope` mm along the bone per mm across it.

    `tilt` mm blur its plane along the ray; the part at smaller t is moved by `shift` mm (across,
    along) and turned by `angle` degrees.
    """

    t: float
    slope: float
    tilt: float
    shift: tuple[float, float]
    angle: float


@dataclass(frozen=True)
class Bone:
    """A tube from `start` towards `angle` degrees (0 is down the film, positive turns left)."""

    start: tuple[float, float]
    angle: float
    knots: tuple[Knot, ...]
    fracture: Break | None = None


@dataclass(frozen=True)
class Film:
    """What one film shows: bones, soft tissue, and how it is stored."""

    name: str
    folder: str
    body_part: str
    view_position: str
    laterality: str
    spacing_mm: float
    is_inverted: bool
    bones: tuple[Bone, ...]
    flesh: tuple[Bone, ...]


def pebble(
    centre: tuple[float, float], size: tuple[float, float], angle: float, depth: float
) -> Bone:
    """A small bone, `(width, height)` in size: a rounded block with a thin shell."""
    (x, y), (width, height) = centre, size
    turn = math.radians(angle)
    start = (x + math.sin(turn) * height / 2, y - math.cos(turn) * height / 2)
    knots = []
    for step in range(17):
        across = 1 - step / 8
        bulge = max(1 - abs(across) ** 2.5, 0.0) ** (1 / 2.5)
        # No two alike: each side has its own shallow hollow, which its place decides.
        left = bulge * (1 + 0.09 * math.sin(3.1 * across + x)) * width / 2
        right = bulge * (1 + 0.09 * math.sin(2.7 * across - y)) * width / 2
        knots.append((height * step / 16, -left, right, depth * bulge, 0.5, 1.0))
    return Bone(start, angle, tuple(knots))


def tubular(
    start: tuple[float, float], angle: float, base: float, waist: float, length: float
) -> Bone:
    """A metacarpal: a broad base at `start`, a slim waist, and the flare of the head."""
    knots = (
        (0.0, -base * 0.36, base * 0.36, base * 0.3, 0.5, 1.0),
        (0.8, -base * 0.46, base * 0.46, base * 0.42, 0.5, 1.0),
        (3.0, -base * 0.5, base * 0.5, base * 0.46, 0.6, 0.9),
        (8.0, -base * 0.43, base * 0.42, base * 0.4, 1.0, 0.6),
        (16.0, -waist * 0.52, waist * 0.52, waist * 0.5, 1.8, 0.25),
        (length * 0.6, -waist * 0.5, waist * 0.48, waist * 0.5, 2.0, 0.2),
        (length, -waist * 0.85, waist * 0.85, waist * 0.7, 0.8, 0.9),
    )
    return Bone(start, angle, knots)


_RADIUS_AP = (
    (0.0, -14.6, -13.4, 1.0, 0.4, 1.0), (1.5, -16.2, -9.5, 4.5, 0.5, 1.0),
    (4.0, -17.0, -3.5, 7.5, 0.6, 1.0), (6.5, -17.2, 3.0, 9.0, 0.6, 1.0),
    (8.5, -17.0, 10.5, 9.6, 0.6, 1.0), (10.0, -16.7, 13.6, 9.8, 0.6, 1.0),
    (13.0, -15.4, 13.4, 9.8, 0.7, 1.0), (19.0, -12.0, 10.2, 9.0, 1.0, 0.85),
    (29.0, -8.9, 7.6, 7.4, 1.7, 0.5), (45.0, -7.8, 6.4, 6.4, 2.6, 0.25),
    (70.0, -7.8, 5.8, 6.0, 3.1, 0.12), (120.0, -6.2, 7.6, 6.2, 3.2, 0.1),
)  # fmt: skip
_ULNA_AP = (
    (0.0, 4.2, 5.6, 0.8, 0.4, 1.0), (2.0, 3.4, 7.2, 2.4, 0.5, 1.0), (4.4, -0.5, 7.8, 4.6, 0.5, 1.0),
    (5.2, -6.0, 7.9, 6.4, 0.5, 1.0), (7.0, -7.6, 7.8, 7.0, 0.6, 1.0),
    (12.0, -7.4, 7.0, 6.8, 0.8, 0.9), (20.0, -5.4, 5.6, 5.4, 1.5, 0.5),
    (35.0, -5.2, 5.4, 5.2, 2.2, 0.2), (70.0, -6.2, 6.0, 5.8, 2.7, 0.12),
    (120.0, -7.4, 6.2, 6.4, 2.8, 0.1),
)  # fmt: skip
_RADIUS_LATERAL = (
    (0.0, 1.8, 3.0, 2.0, 0.4, 1.0), (1.5, -2.0, 5.6, 7.0, 0.5, 1.0),
    (4.0, -6.5, 8.4, 12.5, 0.6, 1.0), (6.0, -9.6, 9.6, 14.5, 0.6, 1.0),
    (8.5, -10.2, 9.9, 15.0, 0.6, 1.0),
    (14.0, -9.4, 9.8, 14.6, 0.7, 1.0), (22.0, -7.2, 8.6, 12.0, 1.2, 0.8),
    (34.0, -5.8, 6.9, 8.8, 2.0, 0.4), (55.0, -5.8, 6.0, 7.2, 2.8, 0.2),
    (120.0, -6.4, 6.0, 7.0, 3.0, 0.1),
)  # fmt: skip
_ULNA_LATERAL = (
    (0.0, -3.2, -1.8, 1.0, 0.4, 1.0), (2.5, -4.8, 0.4, 3.0, 0.5, 1.0),
    (5.0, -6.6, 5.2, 6.0, 0.5, 1.0), (8.0, -7.0, 6.6, 7.2, 0.6, 1.0),
    (14.0, -6.2, 6.0, 6.8, 0.9, 0.8),
    (26.0, -5.0, 5.2, 5.4, 1.9, 0.3), (60.0, -5.6, 5.8, 5.8, 2.6, 0.12),
    (120.0, -7.0, 6.8, 6.6, 2.8, 0.1),
)  # fmt: skip
_TIBIA_AP = (
    (0.0, -18.4, -16.8, 2.0, 0.4, 1.0), (1.5, -20.4, -14.2, 5.0, 0.5, 1.0),
    (5.0, -21.4, -12.0, 8.0, 0.6, 1.0), (9.5, -21.2, -10.8, 10.0, 0.6, 1.0),
    (11.5, -20.8, -8.5, 12.0, 0.6, 1.0), (13.0, -20.4, 8.0, 15.0, 0.7, 1.0),
    (14.2, -20.0, 14.6, 16.5, 0.7, 1.0), (18.0, -18.8, 16.6, 17.5, 0.7, 1.0),
    (26.0, -16.0, 16.4, 16.4, 0.9, 1.0), (36.0, -12.6, 13.8, 14.2, 1.6, 0.7),
    (52.0, -10.4, 11.4, 12.4, 2.8, 0.3), (80.0, -10.0, 10.8, 12.4, 4.2, 0.15),
    (130.0, -10.6, 11.6, 13.8, 5.0, 0.1), (210.0, -12.4, 13.6, 15.6, 5.0, 0.1),
)  # fmt: skip
_FIBULA_AP = (
    (0.0, -1.6, 2.0, 2.0, 0.4, 1.0), (2.0, -4.4, 4.2, 5.2, 0.6, 1.0),
    (8.0, -6.4, 6.8, 8.0, 0.7, 1.0), (18.0, -6.6, 7.6, 8.6, 0.9, 0.9),
    (30.0, -5.6, 6.0, 7.4, 1.4, 0.6),
    (48.0, -4.8, 5.0, 6.2, 2.2, 0.25), (90.0, -5.0, 5.6, 6.2, 2.9, 0.12),
    (230.0, -6.0, 5.4, 6.6, 3.0, 0.1),
)  # fmt: skip


def mirrored(knots: tuple[Knot, ...]) -> tuple[Knot, ...]:
    """Swap left and right: a bone drawn upwards sees the film from the other side."""
    return tuple((t, -right, -left, *rest) for t, left, right, *rest in knots)


def _flesh(x: float, y: float, angle: float, *profile: tuple[float, float, float, float]) -> Bone:
    return Bone((x, y), angle, tuple((t, a, b, depth, 0.0, 0.0) for t, a, b, depth in profile))


FOREARM_AP = Film(
    "forearm_ap", "forearm", "FOREARM", "AP", "L", 0.165, False,
    bones=(
        Bone((-8.0, 56.5), 2.0, _RADIUS_AP, Break(30.0, 0.38, 1.3, (-3.4, -1.5), 7.0)),
        Bone((13.5, 60.0), -2.0, _ULNA_AP),
        pebble((-15.5, 51.5), (13.5, 22.0), 38.0, 6.0), pebble((-0.5, 54.5),
        (15.5, 13.5), -8.0, 7.5),
        pebble((12.8, 52.5), (13.0, 14.5), 30.0, 6.0), pebble((14.8, 50.5), (8.5, 9.5), 10.0, 4.5),
        pebble((-22.5, 37.5), (13.5, 12.5), -25.0, 6.5), pebble((-13.0, 35.5),
        (9.5, 12.0), 5.0, 6.0),
        pebble((-1.6, 39.0), (12.5, 21.0), -3.0, 8.0), pebble((10.2, 40.5),
        (14.0, 16.0), 14.0, 7.0),
        tubular((-26.5, 30.5), 143.0, 13.5, 9.5, 46.0),
        tubular((-13.5, 29.2), 171.0, 14.0, 8.6, 62.0),
        tubular((-1.8, 28.6), 179.0, 13.0, 8.4, 62.0), tubular((8.0, 31.8), 187.0, 11.5, 7.2, 58.0),
        tubular((16.0, 34.6), 197.0, 11.5, 7.4, 54.0),
    ),
    flesh=(
        _flesh(0, -10, 0, (0, -39, 35, 11), (30, -40, 32, 14), (50, -33, 29, 16), (66, -29, 27, 18),
               (90, -31, 29, 21), (120, -35, 33, 25), (165, -41, 40, 31)),
        _flesh(-22, 36, 140, (0, -11, 11, 3), (8, -13, 14, 10), (30, -11, 13, 10),
               (60, -10, 11, 9)),
    ),
)  # fmt: skip

FOREARM_LATERAL = Film(
    "forearm_lateral", "forearm", "FOREARM", "LL", "L", 0.165, False,
    bones=(
        Bone((2.0, 58.0), 1.0, _RADIUS_LATERAL, Break(30.0, -0.45, 2.0, (-3.6, -0.9), 12.0)),
        Bone((-2.0, 60.5), -4.0, _ULNA_LATERAL),
        pebble((-0.5, 53.6), (15.5, 13.0), -12.0, 7.0), pebble((2.5, 49.5),
        (13.0, 22.0), -32.0, 6.0),
        pebble((-1.0, 39.5), (14.5, 21.0), 3.0, 7.0), pebble((-2.5, 49.5), (12.0, 14.0), 12.0, 6.0),
        pebble((10.5, 47.0), (8.0, 11.0), -15.0, 4.0), pebble((-1.5, 37.5), (15.0, 14.0), 8.0, 6.0),
        pebble((9.5, 37.0), (13.0, 13.0), 20.0, 6.5),
        tubular((12.0, 31.0), 207.0, 13.0, 9.5, 46.0),
        tubular((-1.8, 29.5), 184.0, 14.5, 8.6, 62.0),
        tubular((-2.5, 29.0), 180.0, 14.0, 8.4, 62.0),
        tubular((-1.0, 31.5), 176.0, 12.0, 7.4, 58.0),
        tubular((0.5, 33.5), 172.0, 11.5, 7.4, 54.0),
    ),
    flesh=(
        _flesh(0, -10, 0, (0, -16, 19, 34), (30, -19, 24, 33), (50, -19, 21, 29), (66, -21, 20, 28),
               (90, -26, 24, 30), (120, -27, 27, 34), (165, -33, 33, 40)),
        _flesh(11, 40, 206, (0, -8, 8, 3), (10, -12, 12, 9), (30, -10, 11, 10), (60, -9, 10, 9)),
    ),
)  # fmt: skip

LEG_AP = Film(
    "leg_ap", "leg", "LEG", "AP", "L", 0.24, True,
    bones=(
        Bone((-3.0, 193.0), 179.0, mirrored(_TIBIA_AP)), Bone((20.5, 201.0), 177.5, _FIBULA_AP),
        pebble((-1.5, 193.6), (27.0, 22.0), 0.0, 17.0), pebble((0.5, 211.0),
        (33.0, 24.0), 4.0, 19.0),
    ),
    flesh=(
        _flesh(0, -20, 0, (0, -57, 59, 56), (70, -52, 54, 50), (140, -40, 43, 42),
               (180, -35, 38, 38), (208, -36, 39, 44), (225, -38, 40, 55), (260, -40, 38, 60)),
    ),
)  # fmt: skip
