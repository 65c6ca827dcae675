"""A learner in JupyterLab: Chromium, driven by Playwright. Skipped where there is no Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kernels import wait_until_gone
from playwright.sync_api import Browser, Page, expect, sync_playwright

from workshop_lib.evidence.state import read_json
from workshop_lib.server.devserver import free_ports

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    address: str
    folder: Path


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab on a copy of the learners' notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    (port,) = free_ports(1)
    options = ["--no-browser", f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=t"]
    environment = {**os.environ, "WORKSHOP_HOME": str(folder / "home"), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    with open(folder / "lab.log", "wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", *options, "--allow-root", f"--ServerApp.root_dir={folder}"],
            env=environment,
            stdout=log,
            stderr=log,
        )
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/api/status?token=t", timeout=2):
                break
        except OSError:
            assert server.poll() is None, (folder / "lab.log").read_text()
            time.sleep(0.1)
    yield Lab(address, folder)
    server.terminate()
    server.wait(30)
    assert not wait_until_gone(folder), "JupyterLab's end is its kernels' end, and theirs that of their servers"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-background-networking"]
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield made
        made.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    made = browser.new_page(viewport={"width": 1280, "height": 1000})
    made.set_default_timeout(30_000)
    yield made
    made.close()


def open_notebook(page: Page, lab: Lab, name: str) -> None:
    page.goto(f"{lab.address}/lab/tree/notebooks/{name}?token=t&reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    expect(page.locator("text=Python 3 (ipykernel) | Idle")).to_be_visible(timeout=30_000)


def menu(page: Page, *path: str) -> None:
    for item in path:
        page.locator(f".lm-MenuBar-itemLabel:text-is('{item}'), .lm-Menu-itemLabel:text-is('{item}')").first.click()


def edit(page: Page, old: str, new: str) -> None:
    """Replace the content of the code cell that contains a text."""
    cell = page.locator(".jp-CodeCell", has_text=old).first
    cell.scroll_into_view_if_needed()
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(new)
    page.keyboard.press("Control+Enter")


GREET = """%%workflow greet_exercise
from temporalio import activity


@activity.defn
async def greet(name: str) -> str:
    return {}
"""


def test_a_learner_fails_a_check_then_passes_it(lab: Lab, page: Page) -> None:
    open_notebook(page, lab, "00_start_here.ipynb")
    expect(page.locator(".jp-RenderedMermaid svg, .jp-RenderedMermaid img").first).to_be_visible()
    menu(page, "Run", "Run All Cells")
    answer = page.locator(".jp-CodeCell", has_text='await check("0.1"').locator(".jp-OutputArea")
    expect(answer).to_contain_text("Exercise 0.1 is not solved yet")
    for body, said in (
        ('f"Hi, {name}!"', "capitals, comma and exclamation mark count"),
        ('f"Hello, {name}!"', "Exercise 0.1 passed"),
    ):
        edit(page, "%%workflow greet_exercise", GREET.format(body))
        edit(page, 'await check("0.1"', 'await check("0.1", greet)')
        expect(answer).to_contain_text(said)
    assert page.locator("text=/official\\s+Jupyter news/").count() == 0, "no popup that needs the network"


ORDER = """%%workflow orders_exercise
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workshop_lib.teams.orders import activities
    from workshop_lib.teams.orders.data import Order, Receipt


@workflow.defn
class MyOrder:
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        results = []
        for step in (activities.{}, activities.{}, activities.charge_customer, activities.ship_order):
            limit = timedelta(seconds=5)
            results.append(await workflow.execute_activity(step, order, start_to_close_timeout=limit))
        return Receipt(order.id, results[2], results[3])
"""


def test_a_notebook_runs_is_drawn_checked_and_saved(lab: Lab, page: Page) -> None:
    open_notebook(page, lab, "01_plain_workflow.ipynb")
    menu(page, "Run", "Run All Cells")
    expect(page.locator(".jp-OutputArea", has_text="with another key: InvalidTag").first).to_be_visible(timeout=60_000)
    picture = page.locator(".jp-CodeCell", has_text="await ws.stop(worker)").locator("svg[aria-label]").first
    expect(picture).to_contain_text("running, no worker yet")
    assert page.locator("svg[aria-label]").count() >= 5
    answer = page.locator(".jp-CodeCell", has_text='await check("1.1"').locator(".jp-OutputArea")
    expect(answer).to_contain_text("Exercise 1.1 is not solved yet")
    for steps, said in (
        (("prepare_shipment", "prepare_shipment"), "never asks for check_fraud"),
        (("check_fraud", "prepare_shipment"), "Exercise 1.1 passed"),
    ):
        edit(page, "%%workflow orders_exercise", ORDER.format(*steps))
        edit(page, 'await check("1.1"', 'await check("1.1", MyOrder)')
        expect(answer).to_contain_text(said)
    link = page.locator(".jp-OutputArea a[href^='http://127.0.0.1']").first
    link.scroll_into_view_if_needed()
    with page.context.expect_page() as opened:
        link.click()
    expect(opened.value.locator("text=/ProcessOrder/").first).to_be_visible(timeout=30_000)
    opened.value.close()
    page.keyboard.press("Control+s")
    saved = lab.folder / "notebooks" / "01_plain_workflow.ipynb"
    deadline = time.monotonic() + 10
    while "Exercise 1.1 passed" not in saved.read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert re.search(r"ProcessOrder order-\d+: completed", saved.read_text())
    assert saved.read_text().count("<svg") >= 5


CHAT = r"""
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from temporalio.client import Client
from temporalio.worker import Worker
from workshop_lib import Workshop, chat
from workshop_lib.agents.conversation import Chat
from clerks import Clerk

ws = await Workshop.start()
client = await Client.connect(**await ws.connection("default"))
worker = ws.run(Worker, client, task_queue="clerks", workflows=[Clerk])
hour = timedelta(hours=1)
handle = await client.start_workflow(Clerk.run, Chat(), id=ws.id("chat"), task_queue="clerks", execution_timeout=hour)
"""
HOSTILE = '<img src=x onerror="window.ran=1"></div><script>window.ran=1</script>[x](javascript:window.ran=1) $5 and $6'


def write_notebook(path: Path, *cells: str) -> None:
    made: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": cell, "outputs": [], "execution_count": None}
        for n, cell in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    path.write_text(json.dumps({"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}))


def saved(page: Page, path: Path, text: str) -> str:
    """Save the notebook until a text is in the file. Returns all HTML of its outputs."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        menu(page, "File", "Save Notebook")  # the box keeps Control+s to itself
        cells = read_json(path).get("cells", [])  # none while JupyterLab is writing it
        outputs = [each for cell in cells for each in cell["outputs"]]
        html = "".join("".join(each.get("data", {}).get("text/html", "")) for each in outputs)
        if text in html:
            return html
        time.sleep(0.1)
    raise AssertionError(f"{text!r} was not saved: {html}")


def test_a_learner_chats_with_an_agent(lab: Lab, page: Page) -> None:
    shutil.copy(ROOT / "tests" / "integration" / "clerks.py", lab.folder / "notebooks")
    path = lab.folder / "notebooks" / "chat.ipynb"
    write_notebook(path, CHAT, 'await chat(handle, "hello", "pay $10")')
    open_notebook(page, lab, path.name)
    menu(page, "Run", "Run All Cells")
    log = page.locator("[role=log]")
    expect(log).to_contain_text("Agent: You said hello")
    refuse = page.get_by_role("button", name="Refuse")
    refuse.click()  # while the cell runs; all that follows is when it has ended
    expect(log).to_contain_text("Agent: Not paid.")
    expect(page.locator(".jp-InputPrompt", has_text="[2]:")).to_be_visible()
    expect(log).to_have_count(1)
    expect(page.locator(".jp-OutputArea-executeResult")).to_have_count(0)  # the replies are in the chat already
    box = page.get_by_placeholder("Your message")
    box.click()
    page.keyboard.type(HOSTILE)
    page.keyboard.press("Enter")
    expect(box).to_have_value("")
    expect(box).to_be_focused()
    page.keyboard.type("left in the box")
    expect(log).to_contain_text(f"Agent: You said {HOSTILE}")
    expect(log.locator("img, script, a, mjx-container, .MathJax")).to_have_count(0)
    assert page.evaluate("window.ran") is None
    expect(box).to_have_value("left in the box")
    log.click()
    expect(log).not_to_contain_text("left in the box")
    box.fill("pay $30")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # on Send
    approve = page.get_by_role("button", name="Approve")
    expect(page.locator(".jp-OutputArea .widget-html", has_text="Pay $30?")).to_be_visible(timeout=20_000)
    approve.click()
    expect(log).to_contain_text("Approval: Pay $30? → approved")
    expect(log).to_contain_text("Agent: Paid.")
    expect(approve.or_(refuse)).to_have_count(0)
    expect(box).to_be_focused()
    expect(log).to_have_count(1)
    assert log.inner_text().count("pay $30") == 3, "said, looked up, found: nothing is doubled"
    assert saved(page, path, "Paid.").count("Paid.") == 1
    page.get_by_role("button", name="End", exact=True).click()
    expect(page.locator("[role=status]", has_text="This conversation has ended.")).to_be_visible()
    expect(box).to_be_disabled()
