"""A folder for each test, and runs that tests share."""

import kadsim
import pytest

SMALL = """\
schema = 1
name = "small"
seed = 7
network.nodes = 300
lookup.steps_to_stop = 10
link.delay_ms = { uniform = [50, 75] }
link.fast_error = { rate = 0.1, delay_ms = { uniform = [50, 100] } }

[[phase]]
name = "putting"
kind = "provide"
count = 10

[[phase]]
name = "getting"
kind = "retrieve"
count = 20
segments = "putting"
"""

# Lookups for minutes.
LONG = """\
schema = 1
name = "long"
seed = 7
network.nodes = 300
link.delay_ms = 50

[[phase]]
name = "looking"
kind = "lookup"
count = 200_000_000
spread_ms = 9_000_000_000
"""

STUDY = SMALL.replace('"small"', '"study"') + """
[sweep]
"lookup.alpha" = [1, 3, 10]

[[sweep.cases]]
label = "calm"
"link.fast_error.rate" = 0

[[sweep.cases]]
label = "failing"
"link.fast_error.rate" = 0.3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Each row of a table is one line, whatever the width that readline has told the environment.
    monkeypatch.setenv("COLUMNS", "1000")
    return tmp_path


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return kadsim.run(SMALL, out=tmp_path_factory.mktemp("run"), set={"output.in_degree": True})


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    return kadsim.run(STUDY, out=tmp_path_factory.mktemp("study"), set={"networks": 3})
