"""Pages in Debian's Chromium, without a window."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
WIDTHS, SCHEMES = (390, 1280), ("light", "dark")


def opened(
    browser: Any, path: Path, width: int = 1280, scheme: str = "light"
) -> tuple[Any, list[str]]:
    """The page at a width, and a list of whatever goes wrong in it or leaves it."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
    page.on("request", lambda request: wrong.append(request.url))
    page.goto(path.as_uri())
    assert wrong.pop(0) == path.as_uri()
    return page, wrong


def findings(page: Any) -> list[tuple[str, str]]:
    """What the accessibility checker axe-core finds wrong in a page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response
    assert len(found["passes"]) > 15
    return [(rule["impact"], rule["id"]) for rule in found["violations"]]
