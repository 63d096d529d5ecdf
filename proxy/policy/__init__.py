"""Pure: decisions. The clock and the dice are arguments."""
