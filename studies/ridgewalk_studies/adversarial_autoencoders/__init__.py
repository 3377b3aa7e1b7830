"""Makhzani et al. (2015), Adversarial autoencoders."""
