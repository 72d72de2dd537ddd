from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fracturax.models.bundle import Bundle
    from fracturax.models.runtime import XrayPredictor
    from fracturax.models.xray import XrayNetwork


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[XrayNetwork, Bundle]:
    """A network and the bundle exported from it, once for all tests: the export is slow."""
    from tiny_model import export_tiny_bundle, tiny_network

    network = tiny_network()
    return network, export_tiny_bundle(network, tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def predictor(exported: tuple[XrayNetwork, Bundle]) -> XrayPredictor:
    """A reader that finds a fracture in everything: all thresholds are zero."""
    from fracturax.models.runtime import XrayPredictor

    return XrayPredictor(exported[1], threads=1)
