"""A list of paths on standard input, one in a line, or each ended by NUL as `find -print0` does."""

import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

from adapt.errors import RecipeError
from adapt.predictions.inputs.base import INPUTS, LIST, InputKind, Item, Reading

BLOCK = 1 << 16


def _takes(source: str) -> bool:
    return source == LIST


def _read(reading: Reading) -> Iterator[Item]:
    if sys.stdin is None or sys.stdin.isatty():
        raise RecipeError(
            "- - no list of paths - standard input is a terminal - send one, as in "
            "`find photos -name '*.jpg' | sort | adapt predict MODEL - -o TABLE`"
        )
    stream = sys.stdin.buffer
    for given in _until_null(stream) if reading.null else _lines(stream):
        path = os.fsdecode(given)
        if path:
            yield Item.at(path)
        else:
            reading.skipped["empty line"] += 1


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    for line in stream:
        yield line.removesuffix(b"\n").removesuffix(b"\r")


def _until_null(stream: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(BLOCK):
        *whole, rest = (rest + block).split(b"\0")
        yield from whole
    if rest:
        yield rest


INPUTS.register("list", InputKind("- (a list of paths on standard input)", _takes, _read))
