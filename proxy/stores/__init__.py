"""What is remembered of finished calls."""
