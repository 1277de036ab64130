"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# A slow or busy machine is no fault of what is tested.
settings.register_profile("zorgkiosk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("zorgkiosk")
