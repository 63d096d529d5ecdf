"""Shared types, errors and records. Imports nothing of ours."""
