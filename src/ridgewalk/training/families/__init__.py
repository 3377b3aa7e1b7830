"""The objectives that a model can be trained for: one a file, with its settings, networks, losses, sensors and draws of its prior."""
