"""Finders: one family a file, from straight lines to whole curves; and walks that have no second end."""

from ridgewalk.paths.amortised import Amortised
from ridgewalk.paths.best import BestOf
from ridgewalk.paths.flow import FlowPath
from ridgewalk.paths.geodesic import Geodesic, RidgePath
from ridgewalk.paths.graph import GraphPath
from ridgewalk.paths.langevin import Descent, Langevin, Moved
from ridgewalk.paths.straight import Lerp, Slerp
from ridgewalk.paths.string import StringMethod
from ridgewalk.paths.tempering import Exchanged, Tempered
from ridgewalk.paths.walk import ArrivingWalk, GuidedExploration, ScoreGuidedWalk

__all__ = [
    "Amortised",
    "ArrivingWalk",
    "BestOf",
    "Descent",
    "Exchanged",
    "FlowPath",
    "Geodesic",
    "GraphPath",
    "GuidedExploration",
    "Langevin",
    "Lerp",
    "Moved",
    "RidgePath",
    "ScoreGuidedWalk",
    "Slerp",
    "StringMethod",
    "Tempered",
]
