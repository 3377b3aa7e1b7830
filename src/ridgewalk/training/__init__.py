"""Objectives, their losses, and the one loop that trains them."""
