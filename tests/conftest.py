"""Settings shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# The first example of a test often loads a library, and machines differ: time is no property.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


class PlainRoot:
    """Keeps pytest from importing the `__init__.py` in the root: it is ComfyUI's door, no test package."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        return pytest.Dir.from_parent(parent, path=path) if path == parent.config.rootpath else None


def pytest_configure(config: pytest.Config) -> None:
    # A conftest's own hooks are asked for its folder only; a plugin's are asked for the root too.
    config.pluginmanager.register(PlainRoot())
