"""The radiomics plan: which features are computed, and how, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fracturax.core.config import build
from fracturax.core.errors import ConfigError
from fracturax.core.provenance import sha256_of_document

FAMILIES = ("firstorder", "shape", "glcm", "glrlm", "glszm", "gldm", "ngtdm")
"""Families of features, as the library names them; of a film `shape` is that of its plane."""

_NUMBERS = (
    "bin_width", "normalize_scale", "spacing_mm", "outlier_sigma", "least_value", "energy_shift",
)  # fmt: skip


@dataclass(frozen=True)
class RadiomicsPlan:
    """Which features, of what, and how grey values become levels.

    Args:
        families: Some of `FAMILIES`.
        bin_width: Width of a grey level in the unit of the pixels; None where `bin_count` is given.
        bin_count: Number of grey levels over the values inside the mask.
        log_sigma_mm: Widths of Laplacian-of-Gaussian filters whose images are described too.
        has_wavelet: Whether the images of a wavelet decomposition (coif1) are described too.
        normalize_scale: Before all else the image gets mean 0 and this standard deviation.
        spacing_mm: The image is resampled to this distance of voxels first, by cubic B-splines.
        outlier_sigma: Voxels farther than so many standard deviations from the mean of the mask
            leave it.
        least_value: Voxels below it leave the mask.
        energy_shift: Added before squares are summed, so that HU below 0 count less than above.
        is_flat: Texture is counted within slices alone. A film is always flat.

    Raises:
        ConfigError: If a family is unknown or a number is impossible.

    References:
        Zwanenburg et al., "The Image Biomarker Standardization Initiative", Radiology 295, 328-338
        (2020), doi 10.1148/radiol.2020191145.

    Example:
        >>> plan = RadiomicsPlan(families=("firstorder",), bin_width=10)
        >>> RadiomicsPlan.from_document(plan.as_document()) == plan
        True
    """

    families: tuple[str, ...] = FAMILIES
    bin_width: float | None = 25.0
    bin_count: int | None = None
    log_sigma_mm: tuple[float, ...] = ()
    has_wavelet: bool = False
    normalize_scale: float | None = None
    spacing_mm: float | None = None
    outlier_sigma: float | None = None
    least_value: float | None = None
    energy_shift: float = 0.0
    is_flat: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.families if name not in FAMILIES]
        if unknown or not self.families:
            raise ConfigError(
                "no such family of features" if unknown else "a plan needs a family of features",
                got=", ".join(unknown) or "none",
                cure=f"some of {', '.join(FAMILIES)}",
            )
        if (self.bin_width is None) == (self.bin_count is None):
            raise ConfigError(
                "grey levels have a width or a count",
                got=f"bin_width {self.bin_width}, bin_count {self.bin_count}",
            )
        positive = {
            "bin_width": self.bin_width,
            "bin_count": self.bin_count,
            "normalize_scale": self.normalize_scale,
            "spacing_mm": self.spacing_mm,
            "outlier_sigma": self.outlier_sigma,
        } | {"log_sigma_mm": min(self.log_sigma_mm, default=None)}
        for name, value in positive.items():
            if value is not None and not value > 0:
                raise ConfigError(f"{name} is positive", got=str(value))
        if self.outlier_sigma is not None and self.least_value is not None:
            raise ConfigError("outliers go by outlier_sigma or by least_value", got="both")
        # 10 and 10.0 are one plan, and must have one hash.
        for name in _NUMBERS:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, float(value))
        object.__setattr__(self, "log_sigma_mm", tuple(map(float, self.log_sigma_mm)))

    def as_document(self) -> dict[str, Any]:
        """Return the plan as JSON-able data."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Any, *, where: str = "radiomics plan") -> RadiomicsPlan:
        """Return the plan that a JSON document states; what it leaves out has its default.

        Raises:
            ConfigError: If a key is unknown or a value wrong.
        """
        return build(cls, document, where=where)

    @property
    def sha256(self) -> str:
        """Hash of the plan; equal hashes describe an image alike."""
        return sha256_of_document(self.as_document())


def load_radiomics_plan(path: Path) -> RadiomicsPlan:
    """Read a plan from a JSON file.

    Raises:
        ConfigError: If it cannot be read, or is no plan.
    """
    import json

    try:
        document = json.loads(path.read_bytes()[: 1 << 20])
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path.name} is no readable radiomics plan",
            got=type(error).__name__,
            cure='give JSON: {"families": ["firstorder", "glcm"], "bin_width": 25}',
        ) from error
    return RadiomicsPlan.from_document(document, where=path.name)
