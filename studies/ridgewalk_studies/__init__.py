"""Experiments that test what papers and design notes claim: each trains what a recipe says, measures, and judges claims."""
