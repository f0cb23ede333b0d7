"""Training with `fit`."""
