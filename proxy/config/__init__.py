"""Reads YAML, or the environment, into the frozen `Settings` that the running proxy uses."""
