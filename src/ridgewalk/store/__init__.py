"""Runs on disk: their files, and the objects that they hold."""
