"""Judges, which guide no path, and their measurements of paths and samples."""
