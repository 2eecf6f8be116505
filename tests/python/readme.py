"""Runs each example of a section of a README, and compares its output with what the README says: readme.py FILE SECTION.

An example is a block of Python or SQL with a block of text behind it. Run in the folder whose `out` the examples read.
"""
import contextlib
import io
import re
import sys

import duckdb

text = open(sys.argv[1], encoding="utf-8").read()
section = text.split(f"\n## {sys.argv[2]}\n")[1].split("\n## ")[0]
examples = re.findall(r"```(python|sql)\n(.*?)```\n+```text\n(.*?)```", section, re.S)
assert len(examples) >= 2, "no examples"
for language, code, wanted in examples:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        if language == "python":
            exec(code, {})
        else:
            print(duckdb.sql(code))
    lines = [[line.rstrip() for line in one.strip("\n").split("\n")] for one in (printed.getvalue(), wanted)]
    if lines[0] != lines[1]:
        sys.exit(f"FAIL {sys.argv[1]}: this prints\n{printed.getvalue()}and not\n{wanted}\n{code}")
