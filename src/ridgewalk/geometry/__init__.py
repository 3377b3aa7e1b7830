"""Interpolation between points, and planes to draw points on."""

from ridgewalk.geometry.interpolation import lerp, slerp
from ridgewalk.geometry.planes import Plane

__all__ = ["Plane", "lerp", "slerp"]
