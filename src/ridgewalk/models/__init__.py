"""Networks only: no losses, no loops."""
