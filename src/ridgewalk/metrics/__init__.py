"""Pure functions of frames, features, probabilities and labels."""
