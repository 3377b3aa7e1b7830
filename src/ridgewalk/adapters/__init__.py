"""Models and networks of other libraries; a library is imported when one of its models is read."""

from ridgewalk.adapters.diffusers import ScoreModel, as_pipeline, load_score, unet_2d
from ridgewalk.adapters.guidance import load_guide, save_guide, train_guide

__all__ = ["ScoreModel", "as_pipeline", "load_guide", "load_score", "save_guide", "train_guide", "unet_2d"]
