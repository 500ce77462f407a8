"""Particles on the page in a real browser: drawn, turned, cut, by mouse and by keyboard."""

from pathlib import Path

import numpy as np
import pytest

import particle_report_samples as made
from matscale.report.page import write_report

pytestmark = pytest.mark.browser
pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

from test_report_browser import (  # noqa: E402 - needs selenium
    chrome,  # noqa: F401 - a fixture
    click,
    frame,
    pixels,
    scheme,
    screen,
    send,
)

CANVAS = ".cloud canvas"


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("particles")
    results = [
        *made.write_results(folder, made.FORWARD),
        *made.write_results(folder, made.BACK),
    ]
    return write_report(results, folder, folder / "report")


@pytest.fixture
def browser(chrome, page):  # noqa: F811 - the fixture
    screen(chrome, 1280, 900)
    scheme(chrome, "light")
    chrome.get(page.as_uri())
    chrome.execute_script("try { localStorage.clear() } catch {}")
    chrome.get_log("browser")
    chrome.refresh()
    chrome.execute_script("document.querySelector('.cloud').scrollIntoView()")
    frame(chrome)
    frame(chrome)
    return chrome


def test_both_particles_are_drawn_turn_and_come_back(browser):
    first = [pixels(browser, k) for k in (0, 1)]
    for drawn in first:
        assert (drawn[..., 3] > 0).mean() > 0.02, "the canvas is blank"
        assert len(np.unique(drawn.reshape(-1, 4), axis=0)) > 50
    send(browser, CANVAS, "ArrowRight")
    for k in (0, 1):
        assert not np.array_equal(pixels(browser, k), first[k]), "both turn together"
    send(browser, CANVAS, "0")
    assert np.array_equal(pixels(browser), first[0])


def test_thousands_of_atoms_look_like_few(browser):
    """The worst particle has thousands of atoms, which are stamped; the median one is drawn."""
    shown = browser.find_element("css selector", ".cloud .cellfacts").text
    assert int(shown.split()[0].replace(",", "")) > 3000
    stamped = pixels(browser)
    assert set(np.unique(stamped[..., 3])) == {0, 255}
    click(browser, ".cloud [data-case='1']")
    drawn = pixels(browser)
    assert len(np.unique(drawn[..., 3])) > 2, "few atoms have smooth edges"
    # Both fill a disc about the middle of the canvas.
    for picture in (stamped, drawn):
        rows, columns = np.nonzero(picture[..., 3])
        middle = np.array(picture.shape[:2]) / 2
        assert np.abs([rows.mean(), columns.mean()] - middle).max() < 0.03 * middle.max()


def test_cut_in_half_by_key_and_by_button(browser):
    whole = (pixels(browser)[..., 3] > 0).mean()
    send(browser, CANVAS, "c")
    half = (pixels(browser)[..., 3] > 0).mean()
    assert half < 0.9 * whole
    pressed = "return document.querySelector('.cloud [data-cut]').getAttribute('aria-pressed')"
    assert browser.execute_script(pressed) == "true"
    click(browser, ".cloud [data-cut]")
    assert (pixels(browser)[..., 3] > 0).mean() == pytest.approx(whole)


def test_dragging_turns(browser):
    from selenium.webdriver.common.action_chains import ActionChains

    canvas = browser.find_element("css selector", CANVAS)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    before = pixels(browser)
    ActionChains(browser).click_and_hold(canvas).move_by_offset(60, 25).release().perform()
    assert not np.array_equal(before, pixels(browser))


def test_another_particle_says_what_it_is(browser):
    facts = browser.find_element("css selector", ".cloud .casefacts").text
    click(browser, ".cloud [data-case='1']")
    frame(browser)
    assert browser.find_element("css selector", ".cloud .casefacts").text != facts
    label = browser.find_element("css selector", CANVAS).get_attribute("aria-label")
    assert label.startswith("True particle") and "atoms" in label and "Arrow keys turn" in label


def test_it_asks_the_network_for_nothing_and_says_nothing(browser):
    asked = "return performance.getEntriesByType('resource').map(entry => entry.name)"
    assert browser.execute_script(asked) == []
    for selector in ("#theme", ".cloud [data-case='1']", "[data-cut]", ".info", "summary"):
        click(browser, selector)
    assert browser.get_log("browser") == []


def test_far_atoms_fade_into_the_paper_of_either_theme(browser):
    def brightness() -> float:
        drawn = pixels(browser)
        return float(drawn[drawn[..., 3] == 255][:, :3].mean())

    light = brightness()
    scheme(browser, "dark")
    frame(browser)
    dark = brightness()
    assert dark < 0.9 * light
    scheme(browser, "light")
    frame(browser)
    assert brightness() == pytest.approx(light)


def test_a_phone_never_scrolls_sideways(browser):
    screen(browser, 390, 844)
    browser.execute_script(
        "for (const part of document.querySelectorAll('details')) part.open = true"
    )
    frame(browser)
    scrolls = "const root = document.documentElement; return root.scrollWidth > root.clientWidth"
    assert not browser.execute_script(scrolls)
    outside = browser.execute_script(
        "return [...document.querySelectorAll('main *')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1"
        " && !e.closest('.scroll, pre, svg, .hidden')).map(e => e.outerHTML.slice(0, 80))"
    )
    assert outside == []


def test_everything_has_a_name(browser):
    unnamed = browser.execute_script(
        "return [...document.querySelectorAll('canvas, svg.fig:not([aria-hidden]), [role=region]')]"
        ".filter(e => !e.getAttribute('aria-label')).length"
    )
    assert unnamed == 0
    reached = "return [...document.querySelectorAll('.cloud canvas')].every(e => e.tabIndex === 0)"
    assert browser.execute_script(reached)
