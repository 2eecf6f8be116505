"""Takes the pictures of reports that the documents show, one of each kind in each theme.

`pictures.py KADSIM FOLDER`
"""

import base64
import pathlib
import sys
import time

from pages import Pages, browser, open_page, system_theme

# The part of a page that is shown: where it begins, and its height, in pixels of a page that is 1300 wide.
PARTS = {
    "run": (0, 1340),
    "study": (0, 1360),
    "sampling": ("by-the-clock", 560),
    "living": ("online", 1060),
}
SCALE = 0.7


def main():
    pages = Pages(sys.argv[1])
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(exist_ok=True)
    chrome = browser()
    try:
        for name, folders, _ in pages.kinds:
            if name not in PARTS:
                continue
            page = pages.page(name, folders)
            for theme in ("light", "dark"):
                system_theme(chrome, theme)
                open_page(chrome, page)
                height = chrome.execute_script("return document.documentElement.scrollHeight")
                chrome.set_window_size(1300, height + 200)
                time.sleep(0.5)
                begin, height = PARTS[name]
                if isinstance(begin, str):
                    top = "return document.getElementById(arguments[0]).closest('figure').getBoundingClientRect().top + scrollY"
                    begin = chrome.execute_script(top, begin) - 16
                clip = {"x": 0, "y": begin, "width": 1280, "height": height, "scale": SCALE}
                wanted = {"format": "webp", "quality": 70, "clip": clip, "captureBeyondViewport": True}
                taken = chrome.execute_cdp_cmd("Page.captureScreenshot", wanted)
                picture = folder / f"{name}-{theme}.webp"
                picture.write_bytes(base64.b64decode(taken["data"]))
                print(f"{picture}: {picture.stat().st_size} bytes")
    finally:
        chrome.quit()


main()
