"""Settings shared by all tests."""

from __future__ import annotations

from hypothesis import settings

# The first example of a test often loads a library, and machines differ: time is no property.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")
