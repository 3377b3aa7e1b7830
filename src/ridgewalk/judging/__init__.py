"""Judges, which take no part in guiding, and what they say of paths and samples."""
