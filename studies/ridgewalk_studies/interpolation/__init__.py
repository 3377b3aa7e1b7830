"""Networks that learn whole paths."""
