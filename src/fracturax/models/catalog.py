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
        BackboneEntry(
            "resnet50",
            "fracturax.models.resnet:ResNet50",
            (8, 16),
            "He et al., ECCV 2016 (ResNet-50 v2); the part up to stride 16",
            "Apache-2.0",
        ),
    ),
)


@dataclass(frozen=True)
class EncoderEntry:
    """An encoder of a U-Net: what the library calls it, and what a table has to say.

    Args:
        name: What recipes call it.
        library_name: What segmentation_models_pytorch calls it.
        parameters: Of the U-Net built on it.
        paper_parameters: Of the U-Net that the PBRS paper built with a Keras library, in millions.
        paper: Who described it.
        licence: Of its code.
    """

    name: str
    library_name: str
    parameters: int
    paper_parameters: float
    paper: str
    licence: str
    code: str = "fracturax.models.unet:UNet"


ENCODERS = Registry(
    "encoder",
    (
        EncoderEntry(
            "inception_v3",
            "tu-inception_v3",
            29_913_905,
            29.9,
            "Szegedy et al., CVPR 2016",
            "Apache-2.0 (timm)",
        ),
        EncoderEntry(
            "vgg16",
            "vgg16",
            23_748_241,
            23.8,
            "Simonyan and Zisserman, ICLR 2015",
            "MIT (segmentation_models_pytorch)",
        ),
        EncoderEntry(
            "resnet50",
            "resnet50",
            32_521_105,
            32.6,
            "He et al., CVPR 2016",
            "MIT (segmentation_models_pytorch)",
        ),
        EncoderEntry(
            "densenet121",
            "densenet121",
            13_607_633,
            12.1,
            "Huang et al., CVPR 2017",
            "MIT (segmentation_models_pytorch)",
        ),
        EncoderEntry(
            "efficientnet_b3",
            "efficientnet-b3",
            13_159_033,
            17.9,
            "Tan and Le, ICML 2019",
            "MIT (segmentation_models_pytorch)",
        ),
        EncoderEntry(
            "mobilenet_v2",
            "mobilenet_v2",
            6_628_945,
            8.5,
            "Sandler et al., CVPR 2018",
            "MIT (segmentation_models_pytorch)",
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
        NetworkEntry(
            "unet",
            "fracturax.models.unet:UNet",
            "bone in a radiograph, as a mask",
            "Ronneberger et al., MICCAI 2015; PBRS, ICCIT 2023",
        ),
    ),
)


@dataclass(frozen=True)
class VolumeEntry:
    """A network of the CT stream: takes a cube of bone window, says fracture and where."""

    name: str
    code: str
    paper: str
    licence: str


VOLUME_NETWORKS = Registry(
    "network of the CT stream",
    (
        VolumeEntry(
            "densenet121_3d",
            "fracturax.models.volume:DenseNet3d",
            "Huang et al., CVPR 2017",
            "Apache-2.0 (MONAI)",
        ),
        VolumeEntry(
            "resnet18_3d",
            "fracturax.models.volume:ResNet3d",
            "He et al., CVPR 2016; Hara et al., CVPR 2018",
            "Apache-2.0 (MONAI)",
        ),
        VolumeEntry(
            "cnn_lstm",
            "fracturax.models.volume:CnnLstm",
            "RSNA 2022: Lin et al., Radiology: AI 2023; Sandler et al., CVPR 2018",
            "BSD-3-Clause (torchvision)",
        ),
    ),
)


@dataclass(frozen=True)
class StreamEntry:
    """A network of the X-ray stream: takes a crop of a film, says fracture and where."""

    name: str
    code: str
    paper: str
    licence: str


FILM_STREAMS = Registry(
    "network of the X-ray stream",
    (
        StreamEntry(
            "film_cnn",
            "fracturax.models.film_stream:FilmCnn",
            "Sandler et al., CVPR 2018; the part up to stride 16",
            "BSD-3-Clause (torchvision)",
        ),
        StreamEntry(
            "film_transformer",
            "fracturax.models.film_stream:FilmTransformer",
            "Dosovitskiy et al., ICLR 2021",
            "Apache-2.0",
        ),
    ),
)


@dataclass(frozen=True)
class FusionEntry:
    """A way to make one answer of several streams."""

    name: str
    code: str
    is_generative: bool
    paper: str
    licence: str


FUSIONS = Registry(
    "fusion",
    (
        FusionEntry(
            "concat",
            "fracturax.models.fusion:Concatenation",
            False,
            "Ngiam et al., Multimodal deep learning, ICML 2011",
            "Apache-2.0",
        ),
        FusionEntry(
            "attention",
            "fracturax.models.fusion:Attention",
            False,
            "Bahdanau et al., ICLR 2015; Ilse et al., ICML 2018",
            "Apache-2.0",
        ),
        FusionEntry(
            "cyclegan",
            "fracturax.models.fusion:Generative",
            True,
            "Zhu et al., ICCV 2017 (CycleGAN), here between feature vectors",
            "Apache-2.0",
        ),
        FusionEntry(
            "gated",
            "fracturax.models.fusion:Gated",
            False,
            "Arevalo et al., Gated multimodal units, ICLR workshop 2017",
            "Apache-2.0",
        ),
        FusionEntry(
            "cross_attention",
            "fracturax.models.fusion:CrossAttention",
            False,
            "Vaswani et al., NeurIPS 2017; Jaegle et al., ICML 2021",
            "Apache-2.0",
        ),
    ),
)
