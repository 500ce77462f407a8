"""The documentation in a browser: what its search needs works from disk, without a network."""

import json
from pathlib import Path

import pytest

from test_report_browser import chrome  # noqa: F401  (a fixture; without a browser it skips)

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parent.parent


def test_a_worker_starts_from_disk_and_asks_no_network(chrome, tmp_path):  # noqa: F811
    """The documentation's search runs in one; browsers refuse workers to pages opened as files."""
    from selenium.webdriver.support.wait import WebDriverWait

    shim = ROOT / "docs" / "iframe-worker.js"
    (tmp_path / "worker.js").write_text(
        "addEventListener('message', (event) => postMessage(event.data.map((n) => 2 * n)));"
    )
    (tmp_path / "index.html").write_text(
        f"<!doctype html><title>t</title><body><script>{shim.read_text()}</script><script>"
        "const worker = new Worker('worker.js');"
        "worker.addEventListener('message', (event) => (document.title = event.data));"
        "worker.postMessage([1, 2, 3]);</script>"
    )
    chrome.get_log("performance")
    chrome.get((tmp_path / "index.html").as_uri())
    WebDriverWait(chrome, 10).until(lambda driver: driver.title == "2,4,6")
    events = [json.loads(one["message"])["message"] for one in chrome.get_log("performance")]
    asked = [
        one["params"]["request"]["url"]
        for one in events
        if one["method"] == "Network.requestWillBeSent"
    ]
    assert asked and all(url.startswith("file:") for url in asked)


def test_the_documentation_uses_it():
    """Material's offline plugin would take one from elsewhere: it looks for the name."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "  - offline" in text
    assert "    - iframe-worker.js" in text
