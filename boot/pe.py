#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Marks a PE image NX_COMPAT, or fails if its sections do not allow that.

    pe.py IMAGE

objcopy cannot set the flag. Every section must begin on a page and must not be both writable and
executable. The time stamp is set to 0, so that the same sources give the same image.
"""

import struct
import sys

NX_COMPAT = 0x0100
EXECUTE, WRITE = 0x20000000, 0x80000000


def main():
    path = sys.argv[1]
    with open(path, "rb") as image:
        data = bytearray(image.read())
    (pe,) = struct.unpack_from("<I", data, 0x3c)
    assert data[pe:pe + 4] == b"PE\0\0", "not a PE image"
    (sections, _, _, _, optional_size) = struct.unpack_from("<HIIIH", data, pe + 6)
    optional = pe + 24
    struct.pack_into("<I", data, pe + 8, 0)
    (flags,) = struct.unpack_from("<H", data, optional + 70)
    struct.pack_into("<H", data, optional + 70, flags | NX_COMPAT)
    for i in range(sections):
        at = optional + optional_size + 40 * i
        name = data[at:at + 8].rstrip(b"\0").decode()
        (address,) = struct.unpack_from("<I", data, at + 12)
        (rights,) = struct.unpack_from("<I", data, at + 36)
        if rights & EXECUTE and rights & WRITE:
            sys.exit(f"{path}: section {name} is writable and executable")
        if address % 4096:
            sys.exit(f"{path}: section {name} does not begin on a page")
    with open(path, "wb") as image:
        image.write(data)


if __name__ == "__main__":
    main()
