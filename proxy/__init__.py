"""Undimmed: an LLM failover proxy. Point a client's base URL at it; it keeps answering when providers don't."""

__version__ = "0.1.0"
