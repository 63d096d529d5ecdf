"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# How long an example takes says something about the machine, not about us.
settings.register_profile("anywhere", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("anywhere")
