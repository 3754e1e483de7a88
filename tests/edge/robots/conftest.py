"""Random faces on a busy machine: slow is no failure, wrong is."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("au-edge", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("au-edge")
