"""Answers that no model should give: each message after them is answered, by a provider that takes nothing malformed.

By hand a few; `make chaos` makes ten thousand, in several conversations at once. Hypothesis looks for the shortest that
fails.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import Scripted, scripted
from starlette.responses import Response

from workshop_lib.workshop import Workshop

AT_ONCE = 4
COUNT = 125 * int(os.environ.get("WORKSHOP_CHAOS", "0")) or 20  # answers of one demo
JSON = "application/json"

text = st.sampled_from(["", " \n\t ", "\ud83d", "Hm."]) | st.text(st.characters(), max_size=30)
value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
good = [("calculator", {"expression": "1 + 1"}), ("weather", {"city": "Oslo"}), ("get_ip", {"host": "web-1"})]
field = st.sampled_from(["expression", "city", "host", "input", "colour"])
arguments = (
    st.dictionaries(field | text, value, max_size=3).map(json.dumps)
    | value.map(json.dumps)
    | text
    | st.sampled_from(['{"expression": "1 +', '{"expression": 1e999}', "[" * 500, '{"city": "\\ud83d"}', None])
)
name = st.sampled_from(["calculator", "weather", "get_ip", "functions.weather", "x" * 70, None]) | text
number = st.sampled_from(["call_0", "", None]) | text
function = st.fixed_dictionaries({"name": name, "arguments": arguments}) | st.sampled_from(good).map(
    lambda each: {"name": each[0], "arguments": json.dumps(each[1])}
)
call = st.fixed_dictionaries({"id": number, "type": st.just("function"), "function": function}) | value
few, many = st.lists(call, max_size=4), st.lists(call, min_size=21, max_size=45)  # more than are made
calls = st.sampled_from([few, few, few, many, value]).flatmap(lambda kind: kind)
extras = {"reasoning_content": text, "refusal": text | st.none(), "annotations": value, "audio": value, "x": value}
message = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": text | st.none() | value}, optional={"tool_calls": calls, **extras}
)
broken = st.binary(max_size=40) | value.map(lambda each: json.dumps(each).encode())
answer = message | broken.map(lambda body: Response(body, media_type=JSON))
turns = st.lists(st.lists(answer, min_size=1, max_size=3), min_size=4, max_size=12)  # to begin one costs most


@pytest.fixture(scope="module", params=[1, 2])
async def demo(ws: Workshop, request: pytest.FixtureRequest) -> AsyncIterator[Scripted]:
    """Both ways to reach a model."""
    async with scripted(ws, request.param) as made:
        yield made


async def test_no_answer_spoils_a_conversation(demo: Scripted, record_property: Callable[[str, Any], None]) -> None:
    record_property("row", f"model     demo {demo.number}  {'answers that no model should give':29}")
    loop = asyncio.get_running_loop()

    async def talk(conversation: list[list[Any]]) -> None:
        handle = await demo.begin()
        text = f"Please, {handle.id}" + ("\ud83d." if demo.number == 1 else ".")
        try:
            for answers in conversation:
                await demo.send(handle, text, *answers)
            await demo.goes_on(handle, text)
        finally:
            demo.provider.refused.clear()  # for a shorter one that fails in the same way
            await handle.terminate()

    def sweep() -> None:
        @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(turns)
        def some(conversation: list[list[Any]]) -> None:
            if demo.provider.given < COUNT:
                asyncio.run_coroutine_threadsafe(talk(conversation), loop).result()  # each message has its limit

        while demo.provider.given < COUNT:
            some()

    await asyncio.gather(*(asyncio.to_thread(sweep) for _ in range(AT_ONCE)))
    assert demo.provider.given >= COUNT
    record_property("result", f"{demo.provider.given}, and each conversation went on")
