"""Models and networks of other libraries, read as ours are; none is imported before it is asked for."""

from ridgewalk.adapters.diffusers import ScoreModel, as_pipeline, load_score, unet_2d
from ridgewalk.adapters.guidance import ImageGuide, load_guide, train_guide
from ridgewalk.training.guide import GuideTraining

__all__ = [
    "GuideTraining",
    "ImageGuide",
    "ScoreModel",
    "as_pipeline",
    "load_guide",
    "load_score",
    "train_guide",
    "unet_2d",
]
