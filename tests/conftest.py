"""Settings for every test: the two Hypothesis profiles.

``gate`` (the default) draws the same examples in every run, so that a red build is red for
everybody; ``hunt`` draws new ones and more of them: ``HYPOTHESIS_PROFILE=hunt make test``.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Deadlines per example measure the machine's neighbours, not the code.
settings.register_profile(
    "gate",
    derandomize=True,
    deadline=None,
    max_examples=100,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.register_profile(
    "hunt",
    deadline=None,
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gate"))
