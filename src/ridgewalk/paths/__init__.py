"""Finders: one family a file, from straight lines to whole curves."""

from ridgewalk.paths.best import BestOf
from ridgewalk.paths.graph import GraphPath
from ridgewalk.paths.straight import Lerp, Slerp
from ridgewalk.paths.string import StringMethod
from ridgewalk.paths.walk import ArrivingWalk, GuidedExploration, ScoreGuidedWalk

__all__ = [
    "ArrivingWalk",
    "BestOf",
    "GraphPath",
    "GuidedExploration",
    "Lerp",
    "ScoreGuidedWalk",
    "Slerp",
    "StringMethod",
]
