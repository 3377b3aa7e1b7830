"""
Where the claims come from, by title and year.

Four of the sources are design notes of this project, which are not published: a claim repeats their statement together with the measurement that tests it.
"""

WALKS = "Score-guided path search: manifold misalignment in adversarial autoencoders, a design note"
NETWORK = "Design of a non-linear interpolation network for traversing manifolds, a design note"
GUIDANCE = "Correcting score-based diffusion by a discriminator's density ratio, a design note"
CONFUSION = "A VAE-GAN with two discriminators and its density map of confusion, a design note"
AAE = "Makhzani, Shlens, Jaitly, Goodfellow and Frey (2015), Adversarial autoencoders"
SDES = "Song, Sohl-Dickstein, Kingma, Kumar, Ermon and Poole (2021), Score-based generative modeling through stochastic differential equations"
WEIGHTING = "Song, Durkan, Murray and Ermon (2021), Maximum likelihood training of score-based diffusion models"
