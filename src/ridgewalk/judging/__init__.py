"""Judges, which take no part in guiding, and their measurements of paths and samples."""
