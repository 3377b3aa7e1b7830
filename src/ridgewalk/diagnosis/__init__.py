"""Is a discriminator alive, and does what it says agree with the judges?"""
