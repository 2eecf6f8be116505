"""Checks the JSON Schema on stdin: valid itself, it accepts the experiments of the repository and refuses wrong ones."""

import json
import sys
import tomllib
from pathlib import Path

from jsonschema import Draft202012Validator

HEAD = 'schema = 1\nname = "s"\nseed = 7\nnetwork.nodes = 100\n'
PHASE = '[[phase]]\nname = "p"\nkind = "lookup"\ncount = 5\n'
PROVIDE = '[[phase]]\nname = "p"\nkind = "provide"\ncount = 5\n'

RIGHT = {
    "small": HEAD + PHASE,
    "largest seed": HEAD.replace("7", "18446744073709551615") + PHASE,
    "ids": HEAD.replace("nodes = 100", 'ids = "nodes.csv"') + PHASE,
    "trace": HEAD + PHASE.replace("count = 5", 'trace = "ops.csv"'),
    "origins": HEAD + PHASE.replace("count = 5", "origin = { sample = 3 }\ncount_each = 2"),
    "delays": HEAD + PHASE + "[link]\ndelay_ms = { choice = [1, 2.5] }\nfast_error = { rate = 1, delay_ms = 0 }\n",
    "deadlines": HEAD + PHASE + "deadline_ms = [1, 2]\n",
    "sweep": HEAD + PHASE + '[sweep]\n"lookup.alpha" = [1, 3]\n"phase.p.count" = [1]\n"link.delay_ms" = [1, { uniform = [1, 2] }]\n',
    "sweep without quotes": HEAD + PHASE + "[sweep]\nlookup.alpha = [1, 3]\nseed = [1, 2]\n",
    "cases": HEAD + PHASE + '[[sweep.cases]]\nlabel = "a"\n"phase.p.origin" = "each"\n"link.fast_error.rate" = 0.5\n',
    "expect": HEAD + PHASE + '[[expect]]\nmetric = "p.recall.mean"\nwithin = [0.5, 1]\n',
}

WRONG = {
    "no phase": HEAD,
    "no nodes": HEAD.replace("network.nodes = 100", "") + PHASE,
    "no seed": HEAD.replace("seed = 7", "") + PHASE,
    "no count": HEAD + PHASE.replace("count = 5", ""),
    "unknown key": HEAD + PHASE + "[lookup]\nalhpa = 3\n",
    "unknown section": HEAD + PHASE + "[lokup]\nalpha = 3\n",
    "unknown key of a phase": HEAD + PHASE + "counts = 3\n",
    "unknown key of an expectation": HEAD + PHASE + '[[expect]]\nmetric = "a"\nwithin = [0, 1]\nsuorce = "b"\n',
    "unknown form of a delay": HEAD + PHASE + "[link]\ndelay_ms = { unifrom = [1, 2] }\n",
    "unknown swept key": HEAD + PHASE + '[sweep]\n"lookup.alhpa" = [1]\n',
    "unknown key of a case": HEAD + PHASE + '[[sweep.cases]]\nlabel = "a"\n"lookup.alhpa" = 1\n',
    "swept name": HEAD + PHASE + '[sweep]\nname = ["a", "b"]\n',
    "wrong schema": HEAD.replace("schema = 1", "schema = 2") + PHASE,
    "name with a space": HEAD.replace('"s"', '"s t"') + PHASE,
    "seed below 0": HEAD.replace("7", "-7") + PHASE,
    "seed as text": HEAD.replace("7", '"7"') + PHASE,
    "k of 0": HEAD.replace("network.nodes = 100", "network = { nodes = 5, bucket_size = 0 }") + PHASE,
    "k of 256": HEAD.replace("network.nodes = 100", "network = { nodes = 5, bucket_size = 256 }") + PHASE,
    "all offline": HEAD.replace("network.nodes = 100", "network = { nodes = 5, offline = 1 }") + PHASE,
    "alpha as a float": HEAD + PHASE + "[lookup]\nalpha = 3.5\n",
    "alpha of 0": HEAD + PHASE + "[lookup]\nalpha = 0\n",
    "unknown word": HEAD + PHASE + '[lookup]\nstop = "never"\n',
    "delay below 0": HEAD + PHASE + "[link]\ndelay_ms = -1\n",
    "delay above 9e12": HEAD + PHASE + "[link]\ndelay_ms = 9e13\n",
    "one end": HEAD + PHASE + "[link]\ndelay_ms = { uniform = [1] }\n",
    "rate above 1": HEAD + PHASE + "[link]\nfast_error = { rate = 1.5, delay_ms = 1 }\n",
    "rate without delay": HEAD + PHASE + "[link]\nfast_error = { rate = 0.5 }\n",
    "tick of 0": HEAD + PHASE + "[clock]\ntick_ms = 0\n",
    "flag as a number": HEAD + PHASE + "[output]\nresults = 1\n",
    "unknown table": HEAD + PHASE + '[output]\ntables = ["tickz"]\n',
    "table twice": HEAD + PHASE + '[output]\ntables = ["ticks", "ticks"]\n',
    "unknown origin": HEAD + PHASE + 'origin = "all"\n',
    "sample of 0": HEAD + PHASE + "origin = { sample = 0 }\n",
    "no parts": HEAD + PROVIDE + "parts = 0\n",
    "no deadline": HEAD + PHASE + "deadline_ms = []\n",
    "three bounds": HEAD + PHASE + '[[expect]]\nmetric = "a"\nwithin = [0, 1, 2]\n',
    "swept word": HEAD + PHASE + '[sweep]\n"engine.layout" = ["dense", "dens"]\n',
    "nothing swept": HEAD + PHASE + '[sweep]\n"lookup.alpha" = []\n',
}


def main():
    schema = json.load(sys.stdin)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)

    def problem(text):
        return next((error.message for error in validator.iter_errors(tomllib.loads(text))), None)

    # Region files have a form of their own, and the Python package is described by a TOML file too. Templates of
    # `kadsim new` are experiments.
    def is_experiment(file):
        return file.parent.name not in ("regions", "python") and "out" not in file.parts

    files = sorted(filter(is_experiment, Path("experiments").rglob("*.toml")))
    assert files, "no experiment files"
    right = {str(path): path.read_text() for path in files} | RIGHT
    failed = [f"{name}: {problem(text)}" for name, text in right.items() if problem(text)]
    failed += [f"{name}: is accepted" for name, text in WRONG.items() if not problem(text)]
    if failed:
        sys.exit("\n".join(failed))
    print(f"the schema accepts {len(right)} experiments and refuses {len(WRONG)}")


main()
