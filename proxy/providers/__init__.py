"""Pure: one file per vendor format, one table of presets."""
