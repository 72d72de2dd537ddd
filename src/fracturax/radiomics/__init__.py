"""Numbers that describe the grey values and the shape of a marked region, and learners on them."""

from fracturax.radiomics.features import FeatureVector, extract_features, mask_of_box
from fracturax.radiomics.learner_files import load_learner, save_learner
from fracturax.radiomics.learners import LEARNERS, FittedLearner, LearnerEntry, fit_learner
from fracturax.radiomics.perturbation import Perturbation, perturb, small_perturbations
from fracturax.radiomics.places import describe_crop, describe_cube
from fracturax.radiomics.plan import FAMILIES, RadiomicsPlan, load_radiomics_plan
from fracturax.radiomics.stability import PerturbedFeatures, perturbed_features

__all__ = [
    "FAMILIES",
    "LEARNERS",
    "FeatureVector",
    "FittedLearner",
    "LearnerEntry",
    "Perturbation",
    "PerturbedFeatures",
    "RadiomicsPlan",
    "describe_crop",
    "describe_cube",
    "extract_features",
    "fit_learner",
    "load_learner",
    "load_radiomics_plan",
    "mask_of_box",
    "perturb",
    "perturbed_features",
    "save_learner",
    "small_perturbations",
]
