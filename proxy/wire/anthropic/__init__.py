"""Anthropic's Messages: as a format that clients speak, as one that vendors speak, and as both at once."""
