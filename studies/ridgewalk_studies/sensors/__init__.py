"""Score-guided walks under the discriminators of autoencoders."""
