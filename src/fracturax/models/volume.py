"""Networks that see a fracture in a cube of CT: 3-D DenseNet, 3-D ResNet, 2.5-D CNN with LSTM.

All take a bone window in [0, 1], shape `(b, 1, slices, rows, columns)`, and say the same three
things: a logit, a feature vector and a coarse map of where.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fracturax.core.errors import ModelError
from fracturax.models.backbones import load_weights
from fracturax.models.catalog import VOLUME_NETWORKS

MAP_STRIDE = 8
"""Voxels of the input for one cell of the fracture map, along each axis."""
SMALLEST_SIDE = 32
SHARPNESS = 4.0
"""Of the soft maximum: the higher, the nearer to the maximum itself."""
_WIDTH = 64


class VolumeOutput(NamedTuple):
    """What a network says of a batch of cubes.

    Attributes:
        logit: A fracture lies inside, shape `(b,)`.
        features: What a fusion takes, shape `(b, d)`.
        map: Logit of a fracture cell by cell, shape `(b, d, h, w)`: an eighth of each side; of a
            side that eight does not divide, the number of cells is rounded up or down.
    """

    logit: Tensor
    features: Tensor
    map: Tensor


def build_volume_network(name: str, *, weights: str = "random", **options: Any) -> nn.Module:
    """Build a network of the registry.

    Args:
        name: Name in `VOLUME_NETWORKS`.
        weights: `random`, or the path of a safetensors file in the network's own layout (for the
            CNN with LSTM: in that of its 2-D backbone).
        options: What the network's class takes, such as `growth_rate`.

    Raises:
        UnknownNameError: If there is no such network.
        ModelError: If the weights do not fit.

    Example:
        >>> network = build_volume_network("densenet121_3d", growth_rate=4, init_features=8).eval()
        >>> answer = network(torch.zeros(1, 1, 48, 48, 48))
        >>> answer.logit.shape, answer.map.shape
        (torch.Size([1]), torch.Size([1, 6, 6, 6]))
    """
    network: nn.Module = VOLUME_NETWORKS.load(name)(weights=weights, **options)
    return network


class Evidence(nn.Module):
    """From feature maps of several scales to a map of where, and from its hot spot to the rest.

    The maps are brought to one number of channels and the finest grid, and added; a convolution of
    one voxel makes the class activation map of them. The logit is the map's soft maximum alone: a
    fracture line is thin, and a head on the mean over the cube learned the patients by heart
    (`docs/decisions/0012-ct-stream.md`). The features are the joined maps at the hot spot and
    their mean.

    Args:
        channels: Of each feature map, finest first.
        width: Channels of the joined map; the features are twice as many.
        dropout: Share of these channels that training drops.
    """

    def __init__(self, channels: Sequence[int], *, width: int, dropout: float) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv3d(count, width, 1) for count in channels)
        self.dropout = nn.Dropout3d(dropout)
        self.heat = nn.Conv3d(width, 1, 1)
        self.out = nn.Linear(1, 1)
        nn.init.ones_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        # Most cells hold no fracture: begin from there.
        nn.init.constant_(self.heat.bias, -2.0)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor]) -> VolumeOutput:
        """Return the answer for maps `(b, c, d, h, w)`, finest first."""
        size = maps[0].shape[2:]
        joined = self.lateral[0](maps[0])
        for lateral, coarse in zip(list(self.lateral)[1:], maps[1:], strict=True):
            joined = joined + F.interpolate(lateral(coarse), size=size, mode="nearest")
        joined = self.dropout(F.relu(joined))
        heat = self.heat(joined)[:, 0].float()  # (b, d, h, w)
        flat = SHARPNESS * heat.flatten(1)
        peak = torch.logsumexp(flat, dim=1, keepdim=True) / SHARPNESS
        cells = joined.float().flatten(2)  # (b, width, cells)
        hot = (cells * torch.softmax(flat, dim=1)[:, None]).sum(dim=2)
        features = torch.cat([hot, cells.mean(dim=2)], dim=1)
        return VolumeOutput(self.out(peak)[:, 0], features, heat)


class DenseNet3d(nn.Module):
    """3-D DenseNet-121 of MONAI; the paper's growth rate of 32 makes 11 million weights, 16 three.

    Args:
        growth_rate: Channels that each layer adds.
        init_features: Channels of the first convolution.
        dropout: Share of the joined channels that training drops.
        weights: `random`, or the path of a safetensors file in this network's layout.

    References:
        Huang et al., "Densely connected convolutional networks", CVPR 2017.
    """

    def __init__(
        self,
        *,
        growth_rate: int = 16,
        init_features: int = 32,
        dropout: float = 0.2,
        weights: str = "random",
    ) -> None:
        super().__init__()
        from monai.networks.nets.densenet import DenseNet121

        whole: Any = DenseNet121(
            spatial_dims=3,
            in_channels=1,
            out_channels=1,
            init_features=init_features,
            growth_rate=growth_rate,
        )
        self.trunk = whole.features
        second = (init_features + 6 * growth_rate) // 2 + 12 * growth_rate
        third = second // 2 + 24 * growth_rate
        last = third // 2 + 16 * growth_rate
        self.evidence = Evidence((second, third, last), width=_WIDTH, dropout=dropout)
        _load_own(self, weights)

    def forward(self, volumes: Tensor) -> VolumeOutput:
        """Return logit, features and map of cubes `(b, 1, d, h, w)`."""
        _check_cubes(volumes)
        trunk = self.trunk
        flow = trunk.pool0(trunk.relu0(trunk.norm0(trunk.conv0(_centred(volumes)))))
        second = trunk.denseblock2(trunk.transition1(trunk.denseblock1(flow)))
        third = trunk.denseblock3(trunk.transition2(second))
        last = F.relu(trunk.norm5(trunk.denseblock4(trunk.transition3(third))))
        answer: VolumeOutput = self.evidence((second, third, last))
        return answer


class ResNet3d(nn.Module):
    """3-D ResNet-18 of MONAI, its first convolution strided along all three axes.

    MONAI's default `conv1_t_stride` of 1 keeps all slices while rows and columns are halved:
    right for video, twice the work for a cube of isotropic voxels.

    Args:
        width: Channels of the first stage.
        dropout: Share of the joined channels that training drops.
        weights: `random`, or the path of a safetensors file in this network's layout.

    References:
        He et al., "Deep residual learning for image recognition", CVPR 2016. Hara et al., "Can
        spatiotemporal 3D CNNs retrace the history of 2D CNNs and ImageNet?", CVPR 2018.
    """

    def __init__(self, *, width: int = 24, dropout: float = 0.2, weights: str = "random") -> None:
        super().__init__()
        from monai.networks.nets.resnet import ResNet

        channels = [width * 2**stage for stage in range(4)]
        whole: Any = ResNet(
            block="basic",
            layers=[2, 2, 2, 2],
            block_inplanes=channels,
            spatial_dims=3,
            n_input_channels=1,
            conv1_t_size=7,
            conv1_t_stride=2,
            feed_forward=False,
        )
        self.trunk = whole
        self.evidence = Evidence(channels[1:], width=_WIDTH, dropout=dropout)
        _load_own(self, weights)

    def forward(self, volumes: Tensor) -> VolumeOutput:
        """Return logit, features and map of cubes `(b, 1, d, h, w)`."""
        _check_cubes(volumes)
        trunk = self.trunk
        flow = trunk.maxpool(F.relu(trunk.bn1(trunk.conv1(_centred(volumes)))))
        second = trunk.layer2(trunk.layer1(flow))
        third = trunk.layer3(second)
        last = trunk.layer4(third)
        answer: VolumeOutput = self.evidence((second, third, last))
        return answer


class CnnLstm(nn.Module):
    """2.5-D: a 2-D CNN on each slice with its neighbours as channels, a bidirectional LSTM over it.

    MobileNetV2 up to stride 16 gives the vector of a slice; the LSTM tells each slice of its
    neighbours, and what it says joins the maps at strides 8 and 16.

    Args:
        hidden: Units of the LSTM in each direction.
        step: Every so many slices one is looked at; its neighbours lie `step / 2` away. 2, 4 or 8.
        dropout: Share of the joined channels that training drops.
        weights: `random`, or the path of a safetensors file: in this network's layout, or
            MobileNetV2's weights in torchvision's.

    References:
        The leading solutions of the RSNA 2022 Cervical Spine Fracture Detection challenge, as
        summarized by Lin et al., *Radiology: AI* 2023. Sandler et al., CVPR 2018 (MobileNetV2).
    """

    def __init__(
        self, *, hidden: int = 64, step: int = 4, dropout: float = 0.2, weights: str = "random"
    ) -> None:
        super().__init__()
        from torchvision.models import mobilenet_v2

        layers = mobilenet_v2(weights=None).features
        self.fine, self.coarse = layers[:7], layers[7:14]
        self.step = step
        self.lstm = nn.LSTM(96, hidden, batch_first=True, bidirectional=True)
        self.evidence = Evidence((32, 96, 2 * hidden), width=_WIDTH, dropout=dropout)
        if weights != "random" and _is_of_slices(Path(weights)):
            _load_slices(self.fine, self.coarse, Path(weights))
        else:
            _load_own(self, weights)

    def forward(self, volumes: Tensor) -> VolumeOutput:
        """Return logit, features and map of cubes `(b, 1, d, h, w)`."""
        _check_cubes(volumes)
        count, _, slices, rows, columns = volumes.shape
        beside = self.step // 2
        padded = F.pad(volumes, (0, 0, 0, 0, beside, beside), mode="replicate")[:, 0]
        # (b, steps, 3, h, w): a slice, one below and one above
        stacked = torch.stack(
            [padded[:, first : first + slices : self.step] for first in (0, beside, 2 * beside)],
            dim=2,
        )
        steps = stacked.shape[1]
        planes = _centred(stacked.reshape(count * steps, 3, rows, columns))
        fine = self.fine(planes)
        coarse = self.coarse(fine)
        along, _ = self.lstm(coarse.mean(dim=(2, 3)).reshape(count, steps, 96).float())
        context = along.reshape(count * steps, -1, 1, 1).to(fine.dtype)
        joined = MAP_STRIDE // self.step
        maps = [
            F.max_pool3d(_volumes_of(one, count, steps), (joined, 1, 1), ceil_mode=True)
            for one in (fine, coarse, context)
        ]
        answer: VolumeOutput = self.evidence(maps)
        return answer


def _volumes_of(planes: Tensor, count: int, steps: int) -> Tensor:
    """Return maps of planes, `(b * steps, c, h, w)`, as maps of volumes, `(b, c, steps, h, w)`."""
    channels, rows, columns = planes.shape[1:]
    return planes.reshape(count, steps, channels, rows, columns).transpose(1, 2)


def _centred(volumes: Tensor) -> Tensor:
    """Return a bone window in [0, 1] about zero; 0.25 is soft tissue's neighbourhood, not air's."""
    return (volumes - 0.25) * 4.0


def _check_cubes(volumes: Tensor) -> None:
    if volumes.ndim != 5 or volumes.shape[1] != 1 or min(volumes.shape[2:]) < SMALLEST_SIDE:
        raise ModelError(
            "a network of the CT stream takes (batch, 1, slices, rows, columns), each side "
            f"{SMALLEST_SIDE} or more",
            got=str(tuple(volumes.shape)),
        )


def _load_own(network: nn.Module, weights: str) -> None:
    if weights == "random":
        return
    found, wanted = load_weights(Path(weights)), network.state_dict()
    unlike = sorted(
        name
        for name in wanted.keys() | found.keys()
        if name not in found or name not in wanted or found[name].shape != wanted[name].shape
    )
    if unlike:
        raise ModelError(
            f"the weights {Path(weights).name} do not fit the network",
            got=f"{len(unlike)} tensors differ, such as {unlike[0]}",
            cure="give its own layout, or weights = 'random'",
        )
    network.load_state_dict(found)


def _is_of_slices(path: Path) -> bool:
    """Whether a file holds a 2-D network in torchvision's layout."""
    return any(name.startswith("features.") for name in load_weights(path))


def _load_slices(fine: nn.Module, coarse: nn.Module, path: Path) -> None:
    """Load torchvision's MobileNetV2 up to stride 16; what the file has beyond it is left out."""
    found = load_weights(path)
    for part in (fine, coarse):
        wanted = part.state_dict()
        given = {}
        for name, value in wanted.items():
            # A slice of a Sequential keeps the numbers of the whole.
            key = f"features.{name}"
            if name.endswith("num_batches_tracked"):
                given[name] = found.get(key, value)
            elif key not in found or found[key].shape != value.shape:
                raise ModelError(
                    f"the weights {path.name} are not MobileNetV2's", got=f"no {key} that fits"
                )
            else:
                given[name] = found[key]
        part.load_state_dict(given)
