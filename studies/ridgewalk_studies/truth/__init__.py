"""Paths between things whose in-between things are known."""
