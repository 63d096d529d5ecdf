"""What the ledger's sums mean: waste and what to do about it, premium models, forecasts. Pure: rows in, values out."""
