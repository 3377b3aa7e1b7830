"""A VAE with discriminators of images and of codes."""
