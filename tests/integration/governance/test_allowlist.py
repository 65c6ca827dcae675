"""The allowlist, by attack: each is refused at once and told why, and the honest caller passes."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from waits import GUARD
from worlds import HOW, OPERATION, World, call, link, refused, start, world

from workshop_lib.governance.allowlist import FORBID_FORGED_LINKS, Allowlist

FORGED = link("sales")


@pytest.mark.parametrize("how", HOW)
async def test_the_allowlist_lets_in_whom_it_names(opened: World, how: str) -> None:
    async with opened.handling(Allowlist(["support", "sales"])):
        await call(opened.sales, how)
        told = await refused(call(opened.mallory, how))
    assert "Namespace 'mallory' may not call Sums." in told
    assert "Allowed: sales, support. Ask the team that runs namespace 'finance' (endpoint 'sums')" in told


async def its_task_fails(handle: WorkflowHandle[Any, Any]) -> None:
    """The forger's workflow task fails, and would again and again; its operation is never scheduled."""
    async with asyncio.timeout(GUARD):
        async for event in handle.fetch_history_events(wait_new_event=True):
            assert not event.HasField("nexus_operation_scheduled_event_attributes")
            if event.HasField("workflow_task_failed_event_attributes"):
                failed = event.workflow_task_failed_event_attributes
                break
    bad = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_NEXUS_OPERATION_ATTRIBUTES
    assert failed.cause == bad
    assert "nexus-link" in failed.failure.message.lower()
    await handle.terminate()


async def test_a_forged_link_gets_in_until_the_server_forbids_the_header(tmp_path: Path) -> None:
    """If it does not get in at first, the server has learned to defend itself, and the text about it has to change.

    The server is restarted, with the same clients and Workers all along.
    """
    async with world(tmp_path) as made, made.handling(Allowlist(["sales"])), httpx.AsyncClient(timeout=GUARD) as http:
        for how in HOW:
            await call(made.mallory, how, {"Nexus-Link": FORGED})
        for flags in (FORBID_FORGED_LINKS, None):  # a plain restart opens nothing
            await made.server.restart(dynamic_config=flags)
            await until_it_answers(made.sales)
            await its_task_fails(await start(made.mallory, "add", {"nexus-link": FORGED}))
        await its_task_fails(await start(made.mallory, "slowly", {"Nexus-Link": FORGED}))
        with pytest.raises(RPCError, match=r"(?i)disallowed key: .nexus-link") as caught:
            await call(made.mallory, "standalone", {"Nexus-Link": FORGED})
        assert caught.value.status == RPCStatusCode.INVALID_ARGUMENT
        # Open, and said so: see the docstring of ``Allowlist``.
        assert (await http.post(made.http("add"), json=1, headers={"nexus-link": FORGED})).status_code == 200
        await made.server.restart(dynamic_config={})
        await until_it_answers(made.sales)
        await call(made.mallory, "add", {"nexus-link": FORGED})


async def until_it_answers(client: Client) -> None:
    """Clients and Workers reconnect by themselves, in a moment."""
    async with asyncio.timeout(GUARD):
        await (await start(client, "add")).result()


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        (f"{FORGED}, {link('support')}", "its links name several namespaces: sales, support"),
        (link("sales", "temporal.api.common.v1.Link.Unheard"), "unknown type 'temporal.api.common.v1.Link.Unheard'"),
        (link("sales", OPERATION), "a link that cannot be read"),  # the type says one thing, the address another
    ],
)
async def test_an_unclear_link_is_refused_though_all_that_it_names_are_allowed(
    opened: World, forged: str, reason: str
) -> None:
    async with opened.handling(Allowlist(["sales", "support"])):
        told = await refused(call(opened.mallory, "add", {"nexus-link": forged}))
    assert "Nobody knows which namespace calls Sums.add" in told
    assert reason in told


async def test_a_request_without_a_link_is_refused(opened: World) -> None:
    async with opened.handling(Allowlist(["sales"])), httpx.AsyncClient(timeout=GUARD) as http:
        answer = await http.post(opened.http("add"), json=1)
        assert answer.status_code == 403
        assert "the request carries no link to its caller" in answer.text


def test_an_allowlist_is_no_word() -> None:
    with pytest.raises(TypeError, match="takes a list"):
        Allowlist("sales")
