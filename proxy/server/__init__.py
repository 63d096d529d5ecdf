"""The listeners: lean data plane, admin plane."""
