"""Opens reports of a run, of several runs, of an unfinished run, of sampling, of a living run and of a study in headless
Chromium, and checks that

- the console has no message, and nothing is requested but the page;
- every figure is drawn, with an accessible name and a description;
- every figure of several traces has a legend that names each, whose entries work;
- the page follows the theme of the system, and the switch of the theme works;
- on paper the page is light and without controls, and afterwards as before;
- what a study's page draws when the reader picks is what it came with for the same picks;
- DuckDB runs the query of every figure, and each finds rows of all runs.

`check.py KADSIM [DIR]`: with DIR, screenshots of both themes are left there.
"""

import html
import json
import pathlib
import re
import sys
import time

import duckdb
from pages import UNDRAWN, Pages, browser, open_page, system_theme, wait_for
from selenium.webdriver.common.by import By

GROUND = "getComputedStyle(document.body).backgroundColor"
TEXT = "getComputedStyle(document.querySelector('.plot .xtick text, .plot .ytick text')).fill"


def requests(chrome):
    """Addresses requested since the last call."""
    messages = (json.loads(entry["message"])["message"] for entry in chrome.get_log("performance"))
    sent = (message for message in messages if message["method"] == "Network.requestWillBeSent")
    return [message["params"]["request"]["url"] for message in sent]


def colours(chrome):
    """The colours of the ground and of a text of a figure, each as its lightness, 0 to 255."""
    colours = chrome.execute_script(f"return [{GROUND}, {TEXT}]")
    return [sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3 for colour in colours]


def is_light(chrome):
    ground, text = colours(chrome)
    assert abs(ground - text) > 100, f"a text of {text} on {ground}"
    return ground > text


def check(chrome, page, figures, shots):
    name = page.stem
    requests(chrome)
    system_theme(chrome, "light")
    open_page(chrome, page)
    check_figures(chrome, name, figures)
    check_legends(chrome, name)
    chrome.refresh()
    wait_for(chrome, f"{UNDRAWN}.length === 0", f"{name}: all figures drawn again")
    check_picks(chrome, name)
    check_themes(chrome, name, shots)
    check_paper(chrome, name)
    # The browser's own first page has addresses of its own.
    asked = {address for address in requests(chrome) if not address.startswith(("data:", "chrome"))}
    assert asked <= {page.as_uri()}, f"{name}: requests {asked}"
    messages = chrome.get_log("browser")
    assert messages == [], f"{name}: {messages}"


def check_figures(chrome, name, figures):
    plots = chrome.find_elements(By.CSS_SELECTOR, ".plot")
    assert len(plots) >= figures, f"{name}: {len(plots)} figures, not {figures}"
    empty = "[...document.querySelectorAll('.plot')].filter((plot) => !plot.querySelector('.trace, .heatmaplayer image, .hm'))"
    assert chrome.execute_script(f"return {empty}.map((plot) => plot.id)") == [], name
    for plot in plots:
        assert plot.aria_role in ("img", "image") and len(plot.accessible_name) > 10, f"{name}: {plot.accessible_name}"
        described = plot.get_attribute("aria-describedby")
        assert len(chrome.find_element(By.ID, described).text) > 10, f"{name}: {described}"
    sizes = chrome.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert sizes[0] <= sizes[1], f"{name}: wider than the window: {sizes}"


def check_legends(chrome, name):
    # Traces that a legend has to name, and the entries that it has, of each figure of several traces.
    legends = chrome.execute_script("""
        return [...document.querySelectorAll('.plot')].map((plot) => [plot.id,
            new Set(plot.data.filter((trace) => trace.showlegend !== false).map((trace) => trace.name)).size,
            plot.querySelectorAll('.legendtoggle').length]).filter(([, traces]) => traces > 1)""")
    assert legends, f"{name}: no figure has several traces"
    for figure, traces, entries in legends:
        assert traces == entries, f"{name}: the legend of {figure} names {entries} of {traces} traces"
    # A click on an entry of a legend hides its trace. Plotly waits for a second click.
    for figure, *_ in legends:
        chrome.execute_script("""
            const entry = document.getElementById(arguments[0]).querySelector('.legendtoggle');
            for (const kind of ['mousedown', 'mouseup']) entry.dispatchEvent(new MouseEvent(kind, {bubbles: true}));""", figure)
        hidden = f"document.getElementById('{figure}').data.some((trace) => trace.visible === 'legendonly')"
        wait_for(chrome, hidden, f"{name}: a click on the legend of {figure}")


def check_picks(chrome, name):
    """Picks another metric and the first one again: what the page computes then is what the program wrote."""
    selects = chrome.find_elements(By.CSS_SELECTOR, ".choices select")
    assert bool(selects) == (name == "study"), f"{name}: {len(selects)} choices"
    for select in selects:
        assert select.accessible_name, f"{name}: a choice without a name"
    if not selects:
        return

    def drawn():
        # Ranges are found by Plotly, some of them later.
        text = chrome.execute_script("""
            return JSON.stringify(['multiples', 'heat', 'front'].map((id) => {
                const { data, layout } = document.getElementById(id);
                return [id, data, layout, document.getElementById(id + '-query').textContent];
            }), (key, value) => (['range', 'autorange'].includes(key) ? undefined : value))""")
        return json.loads(text)

    def pick(values):
        chrome.execute_script("""
            for (const [id, value] of Object.entries(arguments[0])) document.getElementById(id).value = value;
            document.getElementById('metric').dispatchEvent(new Event('change'));""", values)

    written = chrome.execute_script("return ['multiples', 'heat', 'front'].map((id) => kadsimFigures[id].data)")
    first = drawn()
    assert [data for _, data, _, _ in first] == written, f"{name}: not what was written"
    ids = ["metric", "axis", "lines", "columns", "cost", "benefit", "better"]
    values = {id: chrome.execute_script("return document.getElementById(arguments[0]).value", id) for id in ids}
    pick({"metric": "3", "axis": "1", "lines": "0", "columns": "-1", "cost": "4", "benefit": "5"})
    other = drawn()
    for one, another in zip(first, other):
        assert one[1] != another[1] and one[3] != another[3], f"{name}: {one[0]} does not follow what is picked"
    pick(values)
    again = drawn()
    for one, another in zip(first, again):
        assert one == another, f"{name}: {one[0]} differs from what the page came with:\n{one}\n{another}"


def check_themes(chrome, name, shots):
    assert is_light(chrome), f"{name}: dark where the system is light"
    if shots:
        shot(chrome, shots / f"{name}-light.png")
    system_theme(chrome, "dark")
    time.sleep(0.5)
    assert not is_light(chrome), f"{name}: light where the system is dark"
    if shots:
        shot(chrome, shots / f"{name}-dark.png")
    # The switch holds against the system, and says its state.
    switch = chrome.find_element(By.ID, "theme")
    for light in (True, False, True):
        switch.click()
        time.sleep(0.5)
        assert is_light(chrome) == light, f"{name}: the switch does not change the theme"
        assert switch.get_attribute("aria-pressed") == str(not light).lower()
    switch.click()
    time.sleep(0.5)


def check_paper(chrome, name):
    """The page is dark, by the system and by the switch."""
    assert not is_light(chrome)
    chrome.execute_script(f"""
        addEventListener('afterprint', () => {{ window.kadsimPrinted = true; }});
        addEventListener('beforeprint', () => {{ window.kadsimPaper = [{GROUND}, {TEXT}]; }});""")
    pdf = chrome.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
    assert len(pdf) > 50_000, f"{name}: {len(pdf)} characters of PDF"
    wait_for(chrome, "window.kadsimPrinted === true", f"{name}: the end of printing")
    ground, text = chrome.execute_script("return window.kadsimPaper")
    assert (ground, text) == ("rgb(255, 255, 255)", "rgb(27, 31, 36)"), f"{name}: {text} on {ground} is printed"
    time.sleep(0.5)
    assert not is_light(chrome), f"{name}: not dark any more after printing"
    system_theme(chrome, "dark", "print")
    shown = "[...document.querySelectorAll('button, .choices, .skip')].filter((one) => getComputedStyle(one).display !== 'none')"
    assert chrome.execute_script(f"return {shown}.length") == 0, f"{name}: controls on paper"
    assert colours(chrome)[0] == 255, f"{name}: dark paper"
    system_theme(chrome, "light")


def shot(chrome, path):
    height = chrome.execute_script("return document.documentElement.scrollHeight")
    chrome.set_window_size(1300, min(height + 100, 6000))
    time.sleep(0.5)
    chrome.save_screenshot(str(path))
    chrome.set_window_size(1300, 1000)


def run_queries(page, folders):
    text = page.read_text()
    queries = [query for query in re.findall(r'<pre id="[^"]*-query"[^>]*>(.*?)</pre>', text, re.S) if query]
    assert len(queries) == len(re.findall(r'<pre id="[^"]*-query"', text)), f"{page.stem}: a figure with an empty query"
    for query in map(html.unescape, queries):
        answer = duckdb.sql(query)
        rows = answer.fetchall()
        assert rows, f"{page.stem}: no rows of {query}"
        if len(folders) > 1:
            runs = {row[answer.columns.index("run")] for row in rows}
            assert len(runs) == len(folders), f"{page.stem}: rows of {runs} alone, by {query}"
    return len(queries)


def main():
    pages = Pages(sys.argv[1])
    shots = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    chrome = browser()
    try:
        for name, folders, figures in pages.kinds:
            page = pages.page(name, folders)
            check(chrome, page, figures, shots)
            count = run_queries(page, folders)
            print(f"{name}: {figures} figures or more, {page.stat().st_size} bytes, {count} queries")
    finally:
        chrome.quit()


main()
