"""Virtual time, simulated providers, scenarios: a product feature and the test bench."""
