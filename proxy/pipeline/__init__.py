"""One call: the attempt loop, relay, probes, accounting."""
