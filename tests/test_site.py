"""The built documentation in a real browser, at the width of a screen and of a phone.

Skipped unless there are a built site, selenium, Chrome or Chromium, and its driver: ``nox -s docs``
builds the site and runs this, as ``.ci/run`` does. The browser reaches nothing but the site.
"""

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

SITE = Path(__file__).parents[1] / "docs" / "_build" / "html"
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if path.relative_to(SITE).parts[0] not in {"_static", "_modules"}
)
# Runners of GitHub have a variable for the driver that belongs to their Chrome.
FOLDERS = os.pathsep.join([os.environ.get("CHROMEWEBDRIVER", ""), os.environ.get("PATH", "")])
DRIVER = shutil.which("chromedriver", path=FOLDERS)
BROWSER = next(
    filter(None, map(shutil.which, ("google-chrome", "chromium", "chromium-browser"))), None
)

pytestmark = [
    pytest.mark.skipif(not (SITE / "index.html").exists(), reason="docs/_build/html is not there"),
    pytest.mark.skipif(not (DRIVER and BROWSER), reason="no Chrome or Chromium with its driver"),
]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def address():
    """The site, served to this machine."""
    handler = functools.partial(QuietHandler, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={tmp_path_factory.mktemp('chrome')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(30)
    yield driver
    driver.quit()


def set_width(browser, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


# Done when formulas are typeset: how many are not, how far the page is wider than the window, the
# height of the header.
LOOK = """
const done = arguments[arguments.length - 1];
const ready = window.MathJax?.startup?.promise ?? Promise.resolve();
ready.then(() => done([
  document.querySelectorAll(".math:not(:has(mjx-container))").length,
  document.documentElement.scrollWidth - window.innerWidth,
  document.querySelector(".bd-header")?.getBoundingClientRect().height ?? 0,
]));
"""


def look_at(browser, url):
    """What is wrong with a page, in words."""
    browser.get(url)
    raw, overflow, header = browser.execute_async_script(LOOK)
    logged = browser.get_log("browser")  # themes also tell what they do, as "INFO"
    faults = [line["message"] for line in logged if line["level"] in {"WARNING", "SEVERE"}]
    if raw:
        faults.append(f"{raw} formulas are not typeset")
    if overflow > 0:
        faults.append(f"{overflow} pixels wider than the window")
    if header > 80:
        faults.append(f"the header is {header} pixels high")
    return faults


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_and_say_nothing_on_the_console(browser, address, width):
    set_width(browser, width)
    found = {page: look_at(browser, f"{address}/{page}") for page in PAGES}
    assert {page: faults for page, faults in found.items() if faults} == {}


def test_faults_are_seen(browser, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(
        '<div style="width: 2000px">wide</div><span class="math">\\alpha</span>'
        "<script>console.error('broken')</script>"
    )
    set_width(browser, 1280)
    console, formulas, overflow = look_at(browser, path.as_uri())
    assert "broken" in console
    assert formulas == "1 formulas are not typeset"
    assert overflow.endswith("wider than the window")


@pytest.mark.parametrize("width", [1280, 390])
def test_search_finds_pages(browser, address, width):
    def results(text):
        browser.get(f"{address}/index.html")
        button = next(
            button
            for button in browser.find_elements(By.CSS_SELECTOR, ".search-button__button")
            if button.is_displayed()
        )
        button.click()
        field = browser.find_element(By.CSS_SELECTOR, "#pst-search-dialog input[type=search]")
        field.send_keys(text)
        field.submit()
        WebDriverWait(browser, 20).until(
            lambda b: any(p.text for p in b.find_elements(By.CSS_SELECTOR, ".search-summary"))
        )
        links = browser.find_elements(By.CSS_SELECTOR, "#search-results ul.search a")
        return [link.get_attribute("href").split("?")[0].split("#")[0] for link in links]

    set_width(browser, width)
    assert f"{address}/user_guide/guarantees.html" in results("guarantee")
    assert results("xylophone") == []
