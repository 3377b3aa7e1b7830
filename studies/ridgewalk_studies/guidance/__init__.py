"""Guidance of a diffusion by a discriminator."""
