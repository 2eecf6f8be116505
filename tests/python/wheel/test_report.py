"""Reports: one page for a run or a study, by the program's `report`."""

import shutil
from pathlib import Path

import kadsim
import pytest


def test_a_report_is_one_page_beside_the_folder(run, study):
    for folder in (run, study):
        path = folder.report()
        assert path == folder.path.with_name(f"{folder.path.name}.html")
        page = path.read_text("utf-8")
        assert "</html>" in page and folder.path.name in page
        # The folder holds what it held.
        assert repr(kadsim.open(folder.path)) == repr(folder)


def test_a_report_goes_where_it_is_asked_for_and_opens(run, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    path = run.report("a page.html", open=True)
    assert path == Path("a page.html") and path.stat().st_size > 1000
    assert opened == [path.resolve().as_uri()]


def test_a_report_of_a_damaged_folder_is_refused(run):
    shutil.copytree(run.path, "damaged")
    folder = kadsim.open("damaged")
    Path("damaged/operations.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(kadsim.KadsimError, match="operations"):
        folder.report()
    assert not Path("damaged.html").exists()
