"""What needs both training and metrics: judges, sensors' diagnosis, comparisons of finders."""
