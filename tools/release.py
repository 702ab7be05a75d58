#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a release: FOLDER/quarry-VERSION.tar.gz.

    release.py FOLDER VERSION

The file contains the pair and its rule for make (dist.py), the separate public headers, files for
Meson, CMake and pkg-config (tools/release), and the documents. VERSION must be the version in
include/quarry/version.h.

The same sources give the same bytes: names are sorted, and owner, mode and time are fixed. The time
is SOURCE_DATE_EPOCH, if the environment has it.
"""

import gzip
import io
import os
import pathlib
import sys
import tarfile

import dist

TEMPLATES = "tools/release/"
DOCUMENTS = ["CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"]
TIME = 315532800  # 1980-01-01, the earliest time that every archive format can hold


def filled(text):
    values = {"VERSION": dist.version(), "FLAGS": " ".join(dist.FLAGS),
              "MESON_FLAGS": ", ".join(f"'{flag}'" for flag in dist.FLAGS)}
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def contents():
    """All files of the release: the name in the release, and the bytes."""
    files = {"quarry.c": dist.source(), "quarry.h": dist.public_header(), "quarry.mk": dist.RULES,
             "include/quarry_arch.h": dist.arch_header()}
    files |= {name: dist.read(name) for name in dist.public_headers()}
    files |= {name.removeprefix(TEMPLATES): filled(dist.read(name)) for name in dist.places(TEMPLATES, "*.*")}
    files = {name: text.encode() for name, text in files.items()}
    documents = DOCUMENTS + dist.places("docs", "*.*")
    return files | {name: (dist.ROOT / name).read_bytes() for name in documents}


def archive(folder, files):
    """The tar file, compressed."""
    time = int(os.environ.get("SOURCE_DATE_EPOCH", TIME))
    out = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as zipped, \
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(files[name])
            entry.mtime = time
            entry.mode = 0o644
            entry.uname = entry.gname = "root"
            tar.addfile(entry, io.BytesIO(files[name]))
    return out.getvalue()


def main():
    folder, version = pathlib.Path(sys.argv[1]), sys.argv[2]
    if version != dist.version():
        sys.exit(f"release.py: include/quarry/version.h is {dist.version()}, not {version}")
    name = f"quarry-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.tar.gz").write_bytes(archive(name, contents()))


if __name__ == "__main__":
    main()
