"""The experiments of the source documents: train what a recipe says, measure, and say which claims held. A file each."""
