#!/usr/bin/env python3
"""Holds images to their budget: 32 KiB of flash and 8 KiB of RAM without the boot loader.

RAM is what is laid out at link time and the deepest stack, for which 6 KiB are set aside: a story of
the firmware measures it on the emulated board."""
import struct
import sys

FLASH, RAM, STACK = 32 * 1024, 8 * 1024, 6 * 1024


def sections(path):
    """Name, flags, type and size of each section of a 32-bit little-endian ELF file."""
    with open(path, "rb") as file:
        elf = file.read()
    if elf[:6] != b"\x7fELF\x01\x01":
        sys.exit(f"{path}: not a 32-bit little-endian ELF file")
    offset, = struct.unpack_from("<I", elf, 0x20)
    size, count, _ = struct.unpack_from("<HHH", elf, 0x2E)
    for i in range(count):
        _, kind, flags, _, _, length = struct.unpack_from("<IIIIII", elf, offset + i * size)
        yield kind, flags, length


def main(paths):
    late = False
    for path in paths:
        flash = ram = 0
        for kind, flags, length in sections(path):
            if flags & 2 == 0:  # not loaded
                continue
            writable, empty = flags & 1 != 0, kind == 8
            ram += length if writable else 0
            flash += 0 if empty else length
        fits = flash <= FLASH and ram + STACK <= RAM
        late |= not fits
        print(f"firmware: {path.rsplit('/', 1)[-1]}: flash {flash} of {FLASH} bytes, "
              f"RAM {ram} + {STACK} of stack of {RAM} bytes{'' if fits else ': TOO LARGE'}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
