"""The report in a real browser: Debian's chromium, headless, driven by selenium."""

import base64
import io
import shutil
from pathlib import Path

import numpy as np
import pytest

from matscale.report.page import write_report
from report_samples import MODELS, write_results

pytestmark = pytest.mark.browser

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip("chromium and chromedriver are not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    return write_report(write_results(folder, count=24), folder, folder / "report")


@pytest.fixture(scope="module")
def chrome():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture
def browser(chrome, page):
    """The page, freshly opened on a light desktop screen, with an empty console."""
    screen(chrome, 1280, 900)
    scheme(chrome, "light")
    chrome.get(page.as_uri())
    chrome.execute_script("try { localStorage.clear() } catch {}")
    chrome.get_log("browser")
    chrome.refresh()
    frame(chrome)
    return chrome


def screen(chrome, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def scheme(chrome, value: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": value}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def frame(chrome) -> None:
    """Wait until two frames are painted."""
    chrome.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));"
    )


def pixels(chrome, index: int = 0) -> np.ndarray:
    """RGBA pixels of a canvas, (height, width, 4)."""
    from PIL import Image

    frame(chrome)
    data = chrome.execute_script(
        "return document.querySelectorAll('canvas')[arguments[0]].toDataURL()", index
    )
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.split(",")[1]))))


def column(chrome, index: int) -> list[str]:
    return chrome.execute_script(
        "return [...document.querySelector('table.scores').tBodies[0].rows]"
        ".filter(row => !row.hidden).map(row => row.cells[arguments[0]].dataset.value || null)",
        index,
    )


def click(chrome, selector: str) -> None:
    chrome.execute_script("document.querySelector(arguments[0]).click()", selector)


def send(chrome, selector: str, key: str) -> None:
    chrome.execute_script(
        "const e = document.querySelector(arguments[0]); e.focus();"
        "e.dispatchEvent(new KeyboardEvent('keydown', "
        "{key: arguments[1], bubbles: true, cancelable: true}))",
        selector,
        key,
    )


def test_it_opens_without_a_word_on_the_console(browser):
    assert browser.get_log("browser") == []
    assert "held-out crystals" in browser.find_element("tag name", "main").text
    assert browser.execute_script("return typeof window.alert") == "function"


def test_it_asks_the_network_for_nothing(browser):
    asked = browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert asked == []


def test_sorting_by_a_heading(browser):
    button = "table.scores th:nth-child(2) .sort"
    click(browser, button)
    best_first = [float(value) for value in column(browser, 1)]
    assert best_first == sorted(best_first, reverse=True)
    click(browser, button)
    assert [float(value) for value in column(browser, 1)] == sorted(best_first)
    sort = browser.execute_script(
        "return [...document.querySelector('table.scores').tHead.lastElementChild.cells]"
        ".map(cell => cell.getAttribute('aria-sort'))"
    )
    assert sort[1] == "ascending"
    assert set(sort[:1] + sort[2:]) == {"none"}


def test_rows_without_a_value_stay_last(browser):
    heads = browser.execute_script(
        "return [...document.querySelector('table.scores').tHead.lastElementChild.cells]"
        ".map(cell => cell.innerText)"
    )
    place = next(k for k, text in enumerate(heads) if text.startswith("rms"))
    for _ in range(2):
        click(browser, f"table.scores th:nth-child({place + 1}) .sort")
        values = column(browser, place)
        assert values[-2:] == [None, None] and None not in values[:-2]


def test_filtering_by_kind_text_and_protocol(browser):
    assert len(column(browser, 0)) == len(MODELS)
    click(browser, "input[value=floor]")
    assert column(browser, 0) == ["atomgpt", "cdvae", "target"]
    click(browser, "input[value=floor]")
    field = browser.find_element("css selector", "input[type=search]")
    field.send_keys("cdva")
    assert column(browser, 0) == ["cdvae"]
    assert browser.find_element("css selector", ".found").text == "2 of 12 rows"
    field.clear()
    field.send_keys("nothing like it")
    assert column(browser, 0) == []
    field.clear()
    assert browser.find_element("css selector", ".published").is_displayed()
    browser.execute_script(
        "const s = document.querySelector('select'); s.value = 'sound';"
        "s.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    assert not browser.find_element("css selector", ".published").is_displayed()
    assert browser.find_element("css selector", "table.scores").is_displayed()


def test_the_crystal_is_drawn_turns_and_comes_back(browser):
    first = [pixels(browser, k) for k in (0, 1)]
    for drawn in first:
        assert (drawn[..., 3] > 0).mean() > 0.01, "the canvas is blank"
        assert len(np.unique(drawn.reshape(-1, 4), axis=0)) > 50
    send(browser, "canvas", "ArrowRight")
    for k in (0, 1):
        assert not np.array_equal(pixels(browser, k), first[k]), "both turn together"
    send(browser, "canvas", "+")
    bigger = (pixels(browser)[..., 3] > 0).mean()
    send(browser, "canvas", "0")
    assert np.array_equal(pixels(browser), first[0])
    assert bigger > (first[0][..., 3] > 0).mean()


def test_dragging_turns_the_crystal(browser):
    from selenium.webdriver.common.action_chains import ActionChains

    canvas = browser.find_element("css selector", "canvas")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    before = pixels(browser)
    ActionChains(browser).click_and_hold(canvas).move_by_offset(60, 25).release().perform()
    after = pixels(browser)
    assert not np.array_equal(before, after)
    ActionChains(browser).move_by_offset(-40, 10).perform()
    assert np.array_equal(pixels(browser), after), "without a button nothing turns"


def test_choosing_another_case(browser):
    before = pixels(browser)
    facts = browser.find_element("css selector", ".casefacts").text
    click(browser, "[data-case='1']")
    assert not np.array_equal(before, pixels(browser))
    assert browser.find_element("css selector", ".casefacts").text != facts
    pressed = browser.find_elements("css selector", "[data-case][aria-pressed=true]")
    assert pressed[0].get_attribute("data-case") == "1"


def brightness(chrome) -> float:
    colour = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
    return float(np.mean([int(part) for part in colour[4:-1].split(",")]))


def test_dark_follows_the_system_and_the_button(browser):
    assert brightness(browser) > 200
    scheme(browser, "dark")
    assert brightness(browser) < 60
    click(browser, "#theme")  # auto to light
    assert brightness(browser) > 200
    browser.refresh()
    assert brightness(browser) > 200, "the choice is remembered"
    click(browser, "#theme")
    scheme(browser, "light")
    assert brightness(browser) < 60


@pytest.mark.parametrize("dark", ["light", "dark"])
def test_text_has_contrast(browser, dark):
    """WCAG AA, 4.5 to 1, for the text colours on the paper of each theme."""
    scheme(browser, dark)
    names = ["--ink", "--soft", "--link", "--warn", "--s0", "--s1", "--s2", "--s3", "--s4"]
    style = "getComputedStyle(document.documentElement).getPropertyValue(arguments[0]).trim()"
    paper = luminance(browser.execute_script(f"return {style}", "--paper"))
    for name in names:
        ink = luminance(browser.execute_script(f"return {style}", name))
        ratio = (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)
        assert ratio >= 4.5, (name, ratio)


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    parts = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_screen_never_scrolls_sideways(browser, width):
    screen(browser, width, 740)
    browser.execute_script(
        "for (const part of document.querySelectorAll('details')) part.open = true"
    )
    frame(browser)
    scrolls = "const root = document.documentElement; return root.scrollWidth > root.clientWidth"
    assert not browser.execute_script(scrolls)
    outside = browser.execute_script(
        "return [...document.querySelectorAll('main *')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1"
        " && !e.closest('.scroll, pre, svg, .hidden'))"
        ".map(e => e.outerHTML.slice(0, 80))"
    )
    assert outside == []
    table = browser.find_element("css selector", ".scroll")
    wider = "return arguments[0].scrollWidth > arguments[0].clientWidth"
    assert browser.execute_script(wider, table)


def test_definitions_open_on_focus_and_close(browser):
    tip = browser.find_element("id", "tip")
    browser.execute_script("document.querySelector('.info').focus()")
    assert tip.is_displayed() and "StructureMatcher" in tip.text
    send(browser, ".info", "Escape")
    assert not tip.is_displayed()


def test_printing_opens_what_is_folded(browser):
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    folded = "return document.querySelectorAll('details:not([open]):not(.copies)').length"
    assert browser.execute_script(folded) == 0
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script(folded) > 0


def test_the_console_is_still_silent(browser):
    for selector in ("#theme", "[data-case='1']", ".sort", ".info", "summary"):
        click(browser, selector)
    assert browser.get_log("browser") == []


# --- wide tables -------------------------------------------------------------------------


def hidden_to_the_right(browser, table) -> int:
    """Columns of a score table whose heading ends beyond its frame."""
    return browser.execute_script(
        """const frame = arguments[0].closest(".scroll").getBoundingClientRect();
        return [...arguments[0].tHead.rows[arguments[0].tHead.rows.length - 1].cells]
          .filter((head) => head.getBoundingClientRect().right > frame.right + 2).length;""",
        table,
    )


@pytest.mark.parametrize("width", [390, 1280])
def test_a_table_says_how_many_columns_it_hides_and_goes_there(browser, width):
    screen(browser, width, 900)
    frame(browser)
    table = browser.find_element("css selector", "table.scores")
    wide = table.find_element("xpath", "./ancestor::div[@class='wide-table']")
    button = wide.find_element("css selector", ".beyond")
    count = hidden_to_the_right(browser, table)
    assert count > 3 and button.text == f"{count} more →"
    button.send_keys("\n")  # the keyboard reaches it
    wait_until(browser, lambda: hidden_to_the_right(browser, table) < count)
    wait_until(
        browser,
        lambda: (
            button.text in (f"{hidden_to_the_right(browser, table)} more →", "")
            or button.text.startswith("←")
        ),
    )
    browser.execute_script("arguments[0].closest('.scroll').scrollLeft = 1e6;", table)
    wait_until(browser, lambda: button.text.startswith("←") and button.text.endswith("more"))
    button.click()
    wait_until(browser, lambda: button.text == f"{count} more →")


def wait_until(browser, holds) -> None:
    """Wait for a smooth scroll to end."""
    for _ in range(200):
        if holds():
            return
        frame(browser)
    raise AssertionError("it never came about")


def test_columns_stand_under_the_title_of_their_group(browser):
    table = browser.find_element("css selector", "table.scores")
    groups = table.find_elements("css selector", "tr.groups th")
    assert groups[0].text == "main metrics"
    spans = [int(group.get_attribute("colspan")) for group in groups]
    assert sum(spans) == len(table.find_elements("css selector", "thead tr:last-child th.num"))
