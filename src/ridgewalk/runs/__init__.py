"""A run: its settings, its folder, and what the verbs do with it."""
