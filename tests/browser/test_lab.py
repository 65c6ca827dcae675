"""A learner in JupyterLab: Chromium, driven by Playwright. Skipped where there is no Chromium."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from lab import CHROMIUM, LIMIT, Lab, jupyterlab
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
expect.set_options(timeout=LIMIT * 1000)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    with jupyterlab(folder) as started:
        yield started


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
    made.set_default_timeout(LIMIT * 1000)
    yield made
    made.close()


def run_all(page: Page, lab: Lab, name: str) -> None:
    page.goto(f"{lab.address}/lab/tree/notebooks/{name}?token=t&reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    expect(page.locator("text=Python 3 (ipykernel) | Idle")).to_be_visible()
    menu(page, "Run", "Run All Cells")


def menu(page: Page, *path: str) -> None:
    for item in path:
        page.locator(f".lm-MenuBar-itemLabel:text-is('{item}'), .lm-Menu-itemLabel:text-is('{item}')").first.click()


def edit(page: Page, old: str, new: str) -> None:
    """Replace the content of the code cell that contains a text, and run it."""
    cell = page.locator(".jp-CodeCell", has_text=old).first
    cell.scroll_into_view_if_needed()
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(new)
    page.keyboard.press("Control+Enter")


def saved(page: Page, path: Path) -> tuple[str, str]:
    """Save the notebook. Returns all HTML and all plain text of its outputs."""
    with page.expect_response(lambda response: response.request.method == "PUT" and path.name in response.url):
        menu(page, "File", "Save Notebook")
    outputs = [each for cell in json.loads(path.read_text())["cells"] for each in cell.get("outputs", [])]
    kinds = ("text/html", "text/plain")
    html, text = ("".join("".join(each.get("data", {}).get(kind, "")) for each in outputs) for kind in kinds)
    return html, text


GREET = """%%workflow greet_exercise
from temporalio import activity


@activity.defn
async def greet(name: str) -> str:
    return {}
"""


def test_a_learner_fails_a_check_then_passes_it(lab: Lab, page: Page) -> None:
    run_all(page, lab, "00_start_here.ipynb")
    expect(page.locator(".jp-RenderedMermaid svg, .jp-RenderedMermaid img").first).to_be_visible()
    answer = page.locator(".jp-CodeCell", has_text='await check("0.1"').locator(".jp-OutputArea")
    expect(answer).to_contain_text("Exercise 0.1 is not solved yet")
    prediction = page.locator(".jp-CodeCell", has_text='predict("0.a")')
    prediction.locator(".jp-InputPrompt").click()
    choice = prediction.get_by_role("button", name="B", exact=True)
    expect(choice).to_be_visible()
    for _ in range(6):  # of its output, how much takes the focus depends on what is drawn already
        if not choice.evaluate("each => each === document.activeElement"):
            page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(prediction).to_contain_text("✓ B is right.")
    expect(choice).to_be_focused()
    for body, said in (('f"Hi, {name}!"', "is not right yet"), ('f"Hello, {name}!"', "Exercise 0.1 passed")):
        edit(page, "%%workflow greet_exercise", GREET.format(body))
        edit(page, 'await check("0.1"', 'await check("0.1", greet)')
        expect(answer).to_contain_text(said)
    assert page.locator("text=/official\\s+Jupyter news/").count() == 0, "no popup that needs the network"


@pytest.mark.full
def test_a_notebook_runs_is_drawn_and_saved(lab: Lab, page: Page) -> None:
    run_all(page, lab, "01_plain_workflow.ipynb")
    picture = page.locator(".jp-CodeCell", has_text="await ws.stop(worker)").locator("[role=figure]").first
    expect(picture).to_contain_text("running, no worker yet")
    expect(page.locator("text=Python 3 (ipykernel) | Idle")).to_be_visible()  # also what is collapsed has run
    label = picture.locator("a[href^='http://127.0.0.1']").first
    label.scroll_into_view_if_needed()
    with page.context.expect_page() as opened:
        label.click()
    expect(opened.value.locator("text=/ProcessOrder/").first).to_be_visible()
    opened.value.close()
    html, text = saved(page, lab.folder / "notebooks" / "01_plain_workflow.ipynb")
    assert re.search(r"ProcessOrder order-\d+: completed", text)
    assert html.count('role="figure"') >= 5


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
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
HOSTILE = '<img src=x onerror="window.ran=1"></div><script>window.ran=1</script>[x](javascript:window.ran=1) $5 and $6'


@pytest.mark.full
def test_a_learner_chats_with_an_agent(lab: Lab, page: Page) -> None:
    shutil.copy(ROOT / "tests" / "parts" / "clerks.py", lab.folder / "notebooks")
    path = lab.folder / "notebooks" / "chat.ipynb"
    cells = [new_code_cell(CHAT), new_code_cell('await chat(handle, "hello", "pay $10")')]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)
    run_all(page, lab, path.name)
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
    expect(page.locator(".jp-OutputArea .widget-html", has_text="Pay $30?")).to_be_visible()
    approve.click()
    expect(log).to_contain_text("Approval: Pay $30? → approved")
    expect(log).to_contain_text("Agent: Paid.")
    expect(approve.or_(refuse)).to_have_count(0)
    expect(box).to_be_focused()
    expect(log).to_have_count(1)
    assert log.inner_text().count("pay $30") == 3, "said, looked up, found: nothing is doubled"
    assert saved(page, path)[0].count("Paid.") == 1
    page.get_by_role("button", name="End", exact=True).click()
    expect(page.locator("[role=status]", has_text="This conversation has ended.")).to_be_visible()
    expect(box).to_be_disabled()
    menu(page, "Kernel", "Restart Kernel…")
    with page.expect_response(lambda response: "/restart" in response.url):  # before that, JupyterLab could not end
        page.locator(".jp-Dialog button", has_text="Restart").click()
    expect(box).to_be_hidden()  # no broken links in place of what nobody hears any more
    expect(log).to_contain_text("Agent: Paid.")
