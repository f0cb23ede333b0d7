"""Arrays and plots."""
