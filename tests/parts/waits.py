"""How tests wait for what no event announces."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

GUARD = 300  # seconds; only against hanging


async def until(holds: Callable[[], Any | Awaitable[Any]]) -> Any:
    async with asyncio.timeout(GUARD):
        while True:
            found = holds()
            if found := await found if isinstance(found, Awaitable) else found:
                return found
            await asyncio.sleep(0.02)


async def printed(capsys: pytest.CaptureFixture[str], part: str) -> str:
    """All that is printed until it holds this part."""
    text = ""

    def read() -> bool:
        nonlocal text
        text += capsys.readouterr().out
        return part in text

    await until(read)
    return text
