"""Recipes: one TOML file for each experiment."""
