"""Run every solution in JupyterLab, and take pictures of it, light and dark, in two widths: `make screenshots`.

The pictures are for your eyes. What axe-core finds unfit for people with weak sight or without a mouse is printed, and
the command fails. Name notebooks to take only theirs: ``python tests/browser/screenshots.py 06 07``.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "parts")]

from lab import CHROMIUM, LIMIT, jupyterlab  # noqa: E402

PICTURES = ROOT / "build" / "screenshots"
AXE = ROOT / "build" / "npm" / "axe-core" / "axe.min.js"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
WIDTHS = (1280, 1920)  # pixels
HEIGHT = 2000
MOST = 99  # pictures
CELL_SECONDS = 900  # only a guard against hanging
NOTEBOOK = "window.jupyterapp.shell.currentWidget.content"
SCROLLED = ".jp-WindowedPanel-outer"
OUTPUTS = ".jp-RenderedHTMLCommon, .jp-OutputArea-output"  # what is ours; the rest is JupyterLab's own
# Otherwise JupyterLab draws only the cells in view, and on a slow machine later than the picture is taken.
SETTING = Path("config", "lab", "user-settings", "@jupyterlab", "notebook-extension", "tracker.jupyterlab-settings")
WHOLE = '{"windowingMode": "none"}'
RULES = {"runOnly": ["wcag2a", "wcag2aa"], "resultTypes": ["violations"]}


def command(page: Page, name: str, **arguments: str) -> None:
    """Have JupyterLab execute one of its commands."""
    page.evaluate("([name, arguments]) => window.jupyterapp.commands.execute(name, arguments)", [name, arguments])


def pictures(page: Page, stem: str) -> list[str]:
    """Take pictures from the top of the open notebook to its end. Returns what axe-core objects to."""
    found: dict[str, str] = {}
    for number in range(MOST):
        page.evaluate(f"top => document.querySelector('{SCROLLED}').scrollTop = top", number * (HEIGHT - 200))
        page.wait_for_timeout(500)  # until what has come into view is drawn
        page.screenshot(path=PICTURES / f"{stem}-{number:02}.png")
        results = page.evaluate("([where, rules]) => axe.run({include: where}, rules)", [OUTPUTS, RULES])
        for violation in results["violations"]:
            for node in violation["nodes"]:
                found[f"{violation['id']}: {node['html'][:160]}"] = node["failureSummary"].splitlines()[-1].strip()
        if 0 < page.evaluate(f"{NOTEBOOK}.widgets.at(-1).node.getBoundingClientRect().bottom") < HEIGHT - 60:
            break  # the last cell is in the picture
    return [f"{stem}: {what}\n    {why}" for what, why in found.items()]


def notebook(page: Page, address: str, name: str) -> list[str]:
    """Run a notebook, and take all its pictures. Returns what axe-core objects to."""
    page.goto(f"{address}/lab/tree/notebooks/{name}?token=t&reset")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.add_script_tag(path=AXE)
    command(page, "application:toggle-left-area")
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => window.allRan = true)")
    page.wait_for_function("window.allRan", timeout=CELL_SECONDS * 1000)
    found = []
    for theme, named in THEMES.items():
        command(page, "apputils:change-theme", theme=named)
        page.wait_for_selector(f"body[data-jp-theme-name='{named}']", state="attached")
        command(page, "docmanager:clone")  # a diagram keeps the theme that it was drawn in
        command(page, "application:close-other-tabs")
        command(page, "notebook:expand-all-headings")  # the optional sections have pictures, too
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            found += pictures(page, f"{name[:2]}-{theme}-{width}")
    return found


def main() -> int:
    """Take the pictures. Returns the exit status."""
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    wanted = tuple(sys.argv[1:]) or ("",)
    found = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        shutil.copytree(ROOT / "solutions", Path(folder) / "notebooks", ignore=shutil.ignore_patterns("pages", "*.py"))
        setting = Path(folder) / SETTING
        setting.parent.mkdir(parents=True)
        setting.write_text(WHOLE, encoding="utf-8")
        with jupyterlab(Path(folder), "--LabApp.expose_app_in_browser=True") as lab:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for path in sorted((Path(folder) / "notebooks").glob("*.ipynb")):
                if path.name.startswith(wanted):
                    print(path.stem, flush=True)
                    page = browser.new_page(viewport={"width": WIDTHS[0], "height": HEIGHT})
                    page.set_default_timeout(LIMIT * 1000)
                    found += notebook(page, lab.address, path.name)
                    command(page, "kernelmenu:shutdown")
                    page.close()
            browser.close()
    print("\n".join(found), f"\nLook at the pictures in {PICTURES.relative_to(ROOT)}.", sep="")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
