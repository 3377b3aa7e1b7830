"""Models and networks of other libraries, read as ours are; none is imported before it is asked for."""

from ridgewalk.adapters.diffusers import ScoreModel, as_pipeline, load_score, unet_2d
from ridgewalk.adapters.guidance import load_guide, save_guide, train_guide

__all__ = ["ScoreModel", "as_pipeline", "load_guide", "load_score", "save_guide", "train_guide", "unet_2d"]
