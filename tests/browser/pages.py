"""Runs of each kind, the pages of their reports, and headless Chromium to open them in."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

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

# A twelfth of the cells is withheld, and sampling overlaps with seeding.
SAMPLING = """schema = 1
name = "sampling"
seed = 4
network.nodes = 1000
link.delay_ms = { uniform = [50, 75] }
link.fast_error = { rate = 0.1, delay_ms = { uniform = [50, 100] } }
[[phase]]
name = "seeding"
kind = "provide"
origin = "one"
count_each = 4096
withheld = 341
[[phase]]
name = "sampling"
kind = "retrieve"
origin = "each"
count_each = 20
segments = "seeding"
start_ms = 2000
deadline_ms = [4000, 12_000]
deadline_from = "run"
"""

# 28 cells of two phases: more distributions, and more lines, than there are colours.
STUDY = """schema = 1
name = "grid"
seed = 5
networks = 3
network.nodes = 500
link.fast_error = { rate = 0.1, delay_ms = 60 }
[[phase]]
name = "seeding"
kind = "provide"
count = 100
[[phase]]
name = "lookups"
kind = "retrieve"
count = 100
segments = "seeding"
deadline_ms = 300
[sweep]
"lookup.alpha" = [1, 3]
"network.bucket_size" = [4, 5, 6, 7, 8, 9, 10]
"link.delay_ms" = [20, 50]
"""


class Pages:
    """Runs of each kind in a temporary folder, with spaces in its name, and their reports."""

    def __init__(self, program):
        self.program = pathlib.Path(program).resolve()
        self.folder = pathlib.Path(tempfile.mkdtemp())
        out = self.folder / "runs of today"
        quick = "experiments/quickstart.toml"
        self.kadsim("run", quick, "--quiet", "--out", out, "--set", "output.in_degree=true")
        self.kadsim("run", quick, "--quiet", "--out", out / "other", "--set", "lookup.alpha=1")
        for name, text in [("living", LIVING), ("sampling", SAMPLING), ("grid", STUDY)]:
            (self.folder / f"{name}.toml").write_text(text)
            self.kadsim("run", self.folder / f"{name}.toml", "--quiet", "--out", out)
        # As a run leaves it that was killed while it closed its tables.
        unfinished = out / "quickstart.partial"
        shutil.copytree(out / "quickstart", unfinished)
        (unfinished / "summary.json").unlink()
        nodes = unfinished / "nodes.parquet"
        nodes.write_bytes(nodes.read_bytes()[:5000])
        # Name, folders, and the figures that are drawn at least.
        self.kinds = [
            ("run", [out / "quickstart"], 11),
            ("runs", [out / "quickstart", out / "other/quickstart"], 11),
            ("unfinished", [unfinished], 7),
            ("sampling", [out / "sampling"], 12),
            ("living", [out / "living"], 13),
            ("study", [out / "grid"], 4),
        ]

    def kadsim(self, *arguments):
        subprocess.run([self.program, *arguments], check=True, stdout=subprocess.DEVNULL)

    def page(self, name, folders):
        """Makes the page of a kind, and returns its path."""
        page = self.folder / f"{name}.html"
        self.kadsim("report", *folders, "-o", page)
        return page


def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tempfile.mkdtemp()}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


UNDRAWN = "[...document.querySelectorAll('.plot')].filter((plot) => !plot.querySelector('.main-svg'))"


def open_page(chrome, page):
    """Opens a page and waits until its figures are drawn."""
    chrome.get(page.as_uri())
    wait_for(chrome, f"{UNDRAWN}.length === 0", f"{page.stem}: all figures drawn")


def wait_for(chrome, script, what):
    for _ in range(100):
        if chrome.execute_script(f"return {script}"):
            return
        time.sleep(0.1)
    sys.exit(f"{what}: not within 10 s")


def system_theme(chrome, theme, medium=""):
    """Sets the colour scheme of the system, light or dark, and the medium: the screen, or print."""
    scheme = {"name": "prefers-color-scheme", "value": theme}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": [scheme]})
