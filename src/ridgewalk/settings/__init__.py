"""What a recipe may set: tables of keys with types and bounds."""
