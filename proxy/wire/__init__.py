"""Pure: wire formats, bytes <-> values."""
