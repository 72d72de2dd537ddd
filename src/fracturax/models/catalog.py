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


@dataclass(frozen=True)
class BackboneEntry:
    """A backbone by name: the strides of its feature maps, and what a model card has to say."""

    name: str
    code: str
    strides: tuple[int, ...]
    paper: str
    licence: str


BACKBONES = Registry(
    "backbone",
    (
        BackboneEntry(
            "mobilenet_v2",
            "fracturax.models.backbones:MobileNetV2",
            (8, 16, 32),
            "Sandler et al., CVPR 2018",
            "BSD-3-Clause (torchvision)",
        ),
        BackboneEntry(
            "mobilenet_v2_fine",
            "fracturax.models.backbones:FineMobileNetV2",
            (4, 8, 16),
            "Sandler et al., CVPR 2018; the part up to stride 16",
            "BSD-3-Clause (torchvision)",
        ),
    ),
)

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
