#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The C in docs/PORTING.md compiles: porting.py GUIDE FOLDER WORK COMPILER.

Each block is a file of its own, compiled against quarry.h in FOLDER as a kernel would be; WORK is
for the objects. Exits 1 if one does not compile, or if there is none.
"""

import pathlib
import re
import subprocess
import sys

FLAGS = ["-std=c11", "-O2", "-ffreestanding", "-mno-red-zone", "-mgeneral-regs-only", "-fno-strict-aliasing",
         "-Wall", "-Wextra", "-Werror", "-c"]


def main():
    guide, folder, work, compiler = sys.argv[1:]
    blocks = re.findall(r"^```c\n(.*?)^```", pathlib.Path(guide).read_text(), re.M | re.S)
    good = len(blocks) > 0
    for number, block in enumerate(blocks, start=1):
        file = pathlib.Path(work, f"step{number}.c")
        file.write_text(block)
        done = subprocess.run([compiler, *FLAGS, f"-I{folder}", str(file), "-o", str(file.with_suffix(".o"))],
                              check=False)
        good = good and done.returncode == 0
    sys.exit(not good)


if __name__ == "__main__":
    main()
