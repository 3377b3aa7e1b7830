"""Models and networks of other libraries, read as ours are; none is imported before it is asked for."""

from ridgewalk.adapters.diffusers import ScoreModel, as_pipeline, load_score, unet_2d

__all__ = ["ScoreModel", "as_pipeline", "load_score", "unet_2d"]
