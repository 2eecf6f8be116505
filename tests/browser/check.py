"""Opens reports of a run, of several runs, of a living run and of a study in headless Chromium, and checks that

- the console has no message, and nothing is requested but the page;
- every figure is drawn, with an accessible name and a description;
- an entry of a legend and the switch of the theme work;
- DuckDB runs the query of every figure.

`check.py KADSIM [DIR]`: with DIR, screenshots of both themes are left there.
"""

import html
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import duckdb
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --window-size=1300,1000"""

LIVING = """schema = 1
name = "living"
seed = 3
network.nodes = 2000
link.delay_ms = { regions = "world-2018" }
link.timeout_ms = 1500
[churn]
session = { exponential = { mean_ms = 600_000 } }
absence = { exponential = { mean_ms = 600_000 } }
[[phase]]
name = "lookups"
kind = "lookup"
rate_per_s = 20
duration_ms = 60_000
"""

STUDY = """schema = 1
name = "grid"
seed = 5
networks = 3
network.nodes = 500
link.delay_ms = { uniform = [20, 60] }
[[phase]]
name = "lookups"
kind = "lookup"
count = 100
[sweep]
"lookup.alpha" = [1, 3, 5]
"network.bucket_size" = [5, 20]
"link.delay_ms" = [20, 50]
"""


def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tempfile.mkdtemp()}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


def requests(chrome):
    """Addresses requested since the last call."""
    messages = (json.loads(entry["message"])["message"] for entry in chrome.get_log("performance"))
    sent = (message for message in messages if message["method"] == "Network.requestWillBeSent")
    return [message["params"]["request"]["url"] for message in sent]


def wait_for(chrome, script, what):
    for _ in range(100):
        if chrome.execute_script(f"return {script}"):
            return
        time.sleep(0.1)
    sys.exit(f"{what}: not within 10 s")


def check(chrome, page, figures, shots):
    name = page.stem
    requests(chrome)
    chrome.get(page.as_uri())
    undrawn = "[...document.querySelectorAll('.plot')].filter((plot) => !plot.querySelector('.main-svg'))"
    wait_for(chrome, f"{undrawn}.length === 0", f"{name}: all figures drawn")
    plots = chrome.find_elements(By.CSS_SELECTOR, ".plot")
    assert len(plots) >= figures, f"{name}: {len(plots)} figures, not {figures}"
    empty = "[...document.querySelectorAll('.plot')].filter((plot) => !plot.querySelector('.trace, .heatmaplayer image, .hm'))"
    assert chrome.execute_script(f"return {empty}.map((plot) => plot.id || plot.dataset.figure)") == [], name
    for plot in plots:
        assert plot.aria_role in ("img", "image") and len(plot.accessible_name) > 10, f"{name}: {plot.accessible_name}"
        described = plot.get_attribute("aria-describedby")
        assert len(chrome.find_element(By.ID, described).text) > 10, f"{name}: {described}"
    sizes = chrome.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert sizes[0] <= sizes[1], f"{name}: wider than the window: {sizes}"
    # A click on an entry of a legend hides its trace. Plotly waits for a second click.
    entry = chrome.execute_script("return document.querySelector('.legendtoggle')")
    if entry:
        hidden = "[...document.querySelectorAll('.plot')].some((plot) => plot.data.some((trace) => trace.visible === 'legendonly'))"
        chrome.execute_script(
            "for (const kind of ['mousedown', 'mouseup']) arguments[0].dispatchEvent(new MouseEvent(kind, {bubbles: true}))", entry)
        wait_for(chrome, hidden, f"{name}: a click on the legend")
    chrome.refresh()
    wait_for(chrome, f"{undrawn}.length === 0", f"{name}: all figures drawn again")
    for select in chrome.find_elements(By.CSS_SELECTOR, ".choices select"):
        assert select.accessible_name, f"{name}: a choice without a name"
    ground = "getComputedStyle(document.body).backgroundColor"
    colour = "getComputedStyle(document.querySelector('.plot .xtick text, .plot .ytick text')).fill"
    before = chrome.execute_script(f"return [{ground}, {colour}]")
    if shots:
        shot(chrome, shots / f"{name}-light.png")
    chrome.find_element(By.ID, "theme").click()
    time.sleep(0.5)
    after = chrome.execute_script(f"return [{ground}, {colour}]")
    assert before[0] != after[0] and before[1] != after[1], f"{name}: the theme does not change: {before} {after}"
    if shots:
        shot(chrome, shots / f"{name}-dark.png")
    # The browser's own first page has addresses of its own.
    asked = {address for address in requests(chrome) if not address.startswith(("data:", "chrome"))}
    assert asked <= {page.as_uri()}, f"{name}: requests {asked}"
    messages = chrome.get_log("browser")
    assert messages == [], f"{name}: {messages}"


def shot(chrome, path):
    height = chrome.execute_script("return document.documentElement.scrollHeight")
    chrome.set_window_size(1300, min(height + 100, 6000))
    time.sleep(0.5)
    chrome.save_screenshot(str(path))
    chrome.set_window_size(1300, 1000)


def run_queries(page):
    text = page.read_text()
    queries = [query for query in re.findall(r'<pre id="[^"]*-query"[^>]*>(.*?)</pre>', text, re.S) if query]
    queries += [re.sub("METRIC|COST|BENEFIT", "lookups.attempts.mean", query) for query in set(re.findall(r'data-query="(.*?)"', text, re.S))]
    for query in queries:
        rows = duckdb.sql(html.unescape(query)).fetchall()
        assert rows, f"{page.stem}: no rows of {html.unescape(query)}"
    return len(queries)


def main():
    program = pathlib.Path(sys.argv[1]).resolve()
    shots = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    folder = pathlib.Path(tempfile.mkdtemp())

    def kadsim(*arguments):
        subprocess.run([program, *arguments], check=True, stdout=subprocess.DEVNULL)

    (folder / "living.toml").write_text(LIVING)
    (folder / "grid.toml").write_text(STUDY)
    out = folder / "runs of today"
    quick = "experiments/quickstart.toml"
    kadsim("run", quick, "--quiet", "--out", out, "--set", "output.in_degree=true")
    kadsim("run", quick, "--quiet", "--out", out / "other", "--set", "lookup.alpha=1")
    kadsim("run", folder / "living.toml", "--quiet", "--out", out)
    kadsim("run", folder / "grid.toml", "--quiet", "--out", out)
    pages = [
        ("run", [out / "quickstart"], 12),
        ("runs", [out / "quickstart", out / "other/quickstart"], 12),
        ("living", [out / "living"], 12),
        ("study", [out / "grid"], 4),
    ]
    chrome = browser()
    try:
        for name, folders, figures in pages:
            page = folder / f"{name}.html"
            kadsim("report", *folders, "-o", page)
            check(chrome, page, figures, shots)
            print(f"{name}: {figures} figures or more, {page.stat().st_size} bytes, {run_queries(page)} queries")
    finally:
        chrome.quit()


main()
