"""Runs each example of the README's section on studies, and compares what it prints with what the README says.

An example is a block of Python or SQL with a block of text behind it. Run in the folder that has `out/grid`.
"""
import contextlib
import io
import re
import sys

import duckdb

text = open(sys.argv[1], encoding="utf-8").read()
section = text.split("\n## Studies\n")[1].split("\n## ")[0]
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
        sys.exit(f"FAIL README: this prints\n{printed.getvalue()}and not\n{wanted}\n{code}")
