"""The models FracturaX knows, as data; importing this imports no network."""

from __future__ import annotations

from dataclasses import dataclass

from fracturax.core.registry import Registry


@dataclass(frozen=True)
class NetworkEntry:
    """A network that a recipe can name."""

    name: str
    code: str
    task: str
    paper: str


NETWORKS = Registry(
    "network",
    (
        NetworkEntry(
            "xray",
            "fracturax.models.xray:XrayNetwork",
            "fracture, boxes, region and hardware in a radiograph",
            "pyramid: Lin et al., CVPR 2017; boxes: Tian et al., ICCV 2019",
        ),
        NetworkEntry(
            "classifier",
            "fracturax.models.classifier:PlainClassifier",
            "fracture in a radiograph, without a place",
            "Sandler et al., CVPR 2018",
        ),
    ),
)
