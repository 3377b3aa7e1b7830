"""Curves between points: interpolation formulas."""

from ridgewalk.geometry.interpolation import lerp, slerp

__all__ = ["lerp", "slerp"]
