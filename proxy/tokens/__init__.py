"""Pure: counting and prices."""
