"""Numbers that describe the grey values and the shape of a marked region, and learners on them."""

from fracturax.radiomics.features import FeatureVector, extract_features, mask_of_box
from fracturax.radiomics.plan import FAMILIES, RadiomicsPlan, load_radiomics_plan

__all__ = [
    "FAMILIES",
    "FeatureVector",
    "RadiomicsPlan",
    "extract_features",
    "load_radiomics_plan",
    "mask_of_box",
]
