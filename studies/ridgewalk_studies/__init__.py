"""The experiments of the source documents: each trains what a recipe says, measures, and judges claims."""
