"""A bundle of whatever kind: of radiographs, of CT, or of both together."""

from __future__ import annotations

from pathlib import Path

from fracturax.models.bundle import Bundle, load_bundle
from fracturax.models.fused_bundle import FusedBundle, is_fused_bundle, load_fused_bundle
from fracturax.models.volume_bundle import VolumeBundle, is_volume_bundle, load_volume_bundle

AnyBundle = Bundle | VolumeBundle | FusedBundle


def open_any(folder: Path) -> AnyBundle:
    """Load and verify a bundle that a reader is made of.

    Args:
        folder: Where it lies.

    Raises:
        ModelError: If it is none, or a file is missing or was changed.
    """
    if is_fused_bundle(folder):
        return load_fused_bundle(folder)
    return load_volume_bundle(folder) if is_volume_bundle(folder) else load_bundle(folder)


def network_of(bundle: AnyBundle) -> str:
    """Return the name of a bundle's network in its registry."""
    if isinstance(bundle, FusedBundle):
        return bundle.manifest.fusion
    if isinstance(bundle, VolumeBundle):
        return bundle.manifest.volume_network
    return bundle.manifest.network
