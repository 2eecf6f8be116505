"""`python -m kadsim`: the program `kadsim`."""

import subprocess
import sys

from kadsim._program import find_program

if __name__ == "__main__":
    sys.exit(subprocess.call([find_program(), *sys.argv[1:]]))
