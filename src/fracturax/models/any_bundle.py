"""A bundle of whatever kind: of radiographs, of CT, or of both together."""

from __future__ import annotations

from pathlib import Path

from fracturax.models.bundle import Bundle, load_bundle
from fracturax.models.fused_bundle import FusedBundle
from fracturax.models.volume_bundle import VolumeBundle

AnyBundle = Bundle | VolumeBundle | FusedBundle


def open_any(folder: Path) -> AnyBundle:
    """Load and verify a bundle that a reader is made of.

    Args:
        folder: Where it lies.

    Raises:
        ModelError: If it is none, or a file is missing or was changed.
    """
    if FusedBundle.lies_in(folder):
        return FusedBundle.load(folder)
    return VolumeBundle.load(folder) if VolumeBundle.lies_in(folder) else load_bundle(folder)


def network_of(bundle: AnyBundle) -> str:
    """Return the name of a bundle's network in its registry."""
    if isinstance(bundle, FusedBundle):
        return bundle.manifest.fusion
    if isinstance(bundle, VolumeBundle):
        return bundle.manifest.volume_network
    return bundle.manifest.network
