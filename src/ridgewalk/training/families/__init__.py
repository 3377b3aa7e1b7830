"""The objectives that a model can be trained for: one in each file, with its settings, networks, losses, sensors and draws of its prior."""
