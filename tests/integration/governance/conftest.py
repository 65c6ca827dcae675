"""One server for the tests that do not change its configuration."""

from collections.abc import AsyncIterator

import pytest
from worlds import World, world


@pytest.fixture(scope="session")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A server as it comes: it takes forged links."""
    async with world(tmp_path_factory.mktemp("opened")) as made:
        yield made
