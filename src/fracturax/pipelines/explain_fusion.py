"""Which radiomics moved a fused answer: Shapley values against places of the training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fracturax.core.fusion import FeatureShare
from fracturax.models.fused_runtime import FusedNetwork, Streams

MOST_FEATURES = 6
_ROUNDS, _SEED = 2, 0
Floats = npt.NDArray[np.float32]


def explain_radiomics(
    network: FusedNetwork,
    streams: Streams,
    place: int,
    names: Mapping[str, tuple[str, ...]],
    *,
    most: int = MOST_FEATURES,
) -> tuple[FeatureShare, ...]:
    """Return the radiomics that moved the log-odds of a fracture at a place most.

    Each value is the mean change of the log-odds when the feature is put in place of that of a
    training place, over random orders of all features (permutation sampling, both ways); the other
    streams stay as they are. All values together sum to the answer minus the mean answer with
    radiomics of training places.

    Args:
        network: The fusion.
        streams: What it was asked about.
        place: Number of the place.
        names: Names of the features, by stream.
        most: How many to return.

    Returns:
        Greatest in size first; nothing where there are no radiomics at the place, or `shap` is not
        installed.

    References:
        Štrumbelj and Kononenko, Knowledge and Information Systems 41, 647-665 (2014), doi
        10.1007/s10115-013-0679-x; Lundberg and Lee, NeurIPS 2017.
    """
    known = [name for name in names if name in streams.names(place)]
    if not known:
        return ()
    try:
        import shap
    except ImportError:
        return ()
    widths = [streams.features[name].shape[1] for name in known]
    ends = np.cumsum(widths)[:-1]
    own = np.concatenate([streams.features[name][place] for name in known])
    background = np.concatenate([network.background[name] for name in known], axis=1)

    def logits(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        parts = np.split(np.asarray(rows, np.float32), ends, axis=1)
        return _logits(network, streams, place, dict(zip(known, parts, strict=True)))

    masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.explainers.Permutation(logits, masker, seed=_SEED)
    budget = _ROUNDS * (2 * len(own) + 1)
    values = np.asarray(explainer(own[None], max_evals=budget, silent=True).values)[0]
    labels = [(name, feature) for name in known for feature in names[name]]
    order = np.argsort(-np.abs(values), kind="stable")[:most].tolist()
    return tuple(
        FeatureShare(
            labels[index][0],
            labels[index][1],
            value=float(own[index]),
            shapley=float(values[index]),
        )
        for index in order
    )


def _logits(
    network: FusedNetwork, streams: Streams, place: int, numbers: Mapping[str, Floats]
) -> npt.NDArray[np.float64]:
    """Return the log-odds at a place with other radiomics, one a row."""
    count = len(next(iter(numbers.values())))
    features = {
        name: np.repeat(streams.features[name][place : place + 1], count, axis=0)
        for name in streams.names(place)
    }
    maps = [
        np.repeat(one[place : place + 1], count, axis=0)
        for one in (streams.xray_map, streams.ct_map)
    ]
    said = network.fuse(Streams({**features, **numbers}, *maps))
    return np.asarray(said.real_logit, np.float64)
