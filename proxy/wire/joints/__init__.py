"""Going on with a stream that was cut: one joint for each client format that can have one."""
