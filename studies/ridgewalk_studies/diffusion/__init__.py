"""Samplers and likelihoods of score-based diffusion."""
