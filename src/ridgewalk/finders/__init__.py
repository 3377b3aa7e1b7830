"""Finders of paths between two points, one family per file, and moves of single points."""

from ridgewalk.finders.amortised import Amortised
from ridgewalk.finders.best import BestOf
from ridgewalk.finders.flow import FlowPath
from ridgewalk.finders.geodesic import Geodesic, RidgePath
from ridgewalk.finders.graph import GraphPath
from ridgewalk.finders.langevin import Descent, Langevin, Moved
from ridgewalk.finders.straight import Lerp, Slerp
from ridgewalk.finders.string import StringMethod
from ridgewalk.finders.tempering import Exchanged, Tempered
from ridgewalk.finders.walk import ArrivingWalk, GuidedExploration, ScoreGuidedWalk

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
