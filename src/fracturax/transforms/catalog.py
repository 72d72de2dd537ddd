"""The transforms FracturaX knows, as data: a new one is a class and a line here."""

from __future__ import annotations

from dataclasses import dataclass

from fracturax.core.registry import Registry


@dataclass(frozen=True)
class TransformEntry:
    """A transform that a plan can name.

    Args:
        name: Its name in plans and histories.
        code: Where its class lives.
        task: What it does, in a few words.
        paper: Where it was published; empty for what needs no paper.
        libraries: What computes it, by the names they are imported by.
    """

    name: str
    code: str
    task: str
    paper: str = ""
    libraries: tuple[str, ...] = ("numpy",)


_HERE = "fracturax.transforms"

TRANSFORMS = Registry(
    "transform",
    (
        TransformEntry("gaussian", f"{_HERE}.denoise:Gaussian", "smoothes", libraries=("cv2",)),
        TransformEntry(
            "median",
            f"{_HERE}.denoise:Median",
            "takes out single bright and dark pixels",
            "Tukey, Exploratory Data Analysis, 1977",
            ("cv2", "scipy"),
        ),
        TransformEntry(
            "bilateral",
            f"{_HERE}.denoise:Bilateral",
            "smoothes within edges, slice by slice",
            "Tomasi and Manduchi, ICCV 1998",
            ("cv2",),
        ),
        TransformEntry(
            "non_local_means",
            f"{_HERE}.denoise:NonLocalMeans",
            "averages places that look alike",
            "Buades, Coll and Morel, CVPR 2005; Darbon et al., ISBI 2008",
            ("skimage", "pywt"),
        ),
        TransformEntry(
            "wavelet",
            f"{_HERE}.wavelet:WaveletShrinkage",
            "shrinks small wavelet coefficients",
            "Chang, Yu and Vetterli, IEEE TIP 2000 (BayesShrink); "
            "Donoho and Johnstone, Biometrika 1994 (VisuShrink)",
            ("skimage", "pywt"),
        ),
        TransformEntry("min_max", f"{_HERE}.normalize:MinMax", "least value 0, greatest 1"),
        TransformEntry(
            "percentile", f"{_HERE}.normalize:PercentileRange", "two percentiles become 0 and 1"
        ),
        TransformEntry("z_score", f"{_HERE}.normalize:ZScore", "mean 0.5, by standard deviations"),
        TransformEntry(
            "hu_window",
            f"{_HERE}.normalize:HuWindow",
            "Hounsfield units through a window",
            "DICOM PS3.3, C.11.2.1.2.1",
        ),
        TransformEntry(
            "equalize",
            f"{_HERE}.contrast:Equalize",
            "every grey value equally often",
            "Gonzalez and Woods, Digital Image Processing, 3.3.1",
        ),
        TransformEntry(
            "clahe",
            f"{_HERE}.contrast:Clahe",
            "local contrast up to a limit, slice by slice",
            "Zuiderveld, Graphics Gems IV, 1994",
            ("cv2",),
        ),
        TransformEntry("gamma", f"{_HERE}.contrast:Gamma", "grey values to a power"),
        TransformEntry(
            "crop_border", f"{_HERE}.crop:CropBorder", "cuts uniform lines off the edges"
        ),
        TransformEntry(
            "crop_collimator",
            f"{_HERE}.crop:CropCollimator",
            "cuts to the exposed field",
            libraries=("cv2",),
        ),
        TransformEntry(
            "crop_to_bone",
            f"{_HERE}.crop:CropToBone",
            "cuts to the bones, where they were found",
            "Otsu, IEEE SMC 1979; Liao et al., J Inf Sci Eng 2001",
            ("cv2", "scipy"),
        ),
        TransformEntry(
            "mask_markers",
            f"{_HERE}.mask:MaskMarkers",
            "paints over side markers and text in the air",
            libraries=("cv2",),
        ),
        TransformEntry(
            "remove_background",
            f"{_HERE}.mask:RemoveBackground",
            "blackens the air around the body",
            "Liao et al., J Inf Sci Eng 2001",
            ("cv2", "scipy"),
        ),
        TransformEntry(
            "to_spacing",
            f"{_HERE}.resample:ToSpacing",
            "resamples to millimetres a pixel",
            libraries=("cv2",),
        ),
        TransformEntry(
            "to_size",
            f"{_HERE}.resample:ToSize",
            "scales into a size, and pads",
            libraries=("cv2",),
        ),
        TransformEntry(
            "to_orientation",
            f"{_HERE}.orientation:ToOrientation",
            "turns a volume's axes to stated directions",
            libraries=("nibabel",),
        ),
    ),
)
