"""The header and the blocks of an Avro file: how large each is, before anything is unpacked.

Here: going through a file from block to block, and measuring each without holding what is in it. Not here: the records
in a block (see `avro`).
"""

import bz2
import lzma
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

LARGEST_BLOCK = 16 << 20  # bytes that one may unpack to: its records are read from memory
_LARGEST_HEADER = 4 << 20  # bytes of the schema, and of what else the file says of itself
_CHUNK_BYTES = 1 << 20
_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
_CHECKSUM_BYTES = 4  # behind a block of Snappy
_LONGEST_NUMBER = 10  # bytes


def require_bounded_header(file: BinaryIO) -> None:
    """Go through what stands before the blocks.

    Raises:
        ValueError: it is too large.
        EOFError: it is cut short.
    """
    file.seek(len(_MAGIC))
    while count := _read_long(file):
        if count < 0:
            _read_long(file)  # how many bytes follow
        for _ in range(2 * abs(count)):
            size = _read_long(file) or 0
            if size < 0 or file.tell() + size > _LARGEST_HEADER:
                raise ValueError(f"what stands before its blocks is larger than {_LARGEST_HEADER >> 20} MiB")
            file.seek(size, 1)


def require_bounded_blocks(file: BinaryIO, codec: str) -> None:
    """Go through the blocks from where a file stands to its end.

    Raises:
        ValueError: one is not sound, unpacks to too much, or says that it holds more records than it has bytes.
        EOFError: one is cut short.
    """
    while (count := _read_long(file, is_first=True)) is not None:
        size = _read_long(file) or 0
        content = file.read(size)
        if count < 0 or size < 0 or len(content) < size or len(file.read(_SYNC_BYTES)) < _SYNC_BYTES:
            raise EOFError("a block is cut short")
        try:
            unpacked = _unpacked_bytes(content, codec)
        except (OSError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
            raise ValueError(f"a block cannot be unpacked: {error}") from None
        if unpacked > LARGEST_BLOCK:
            raise ValueError(f"one of its blocks unpacks to more than {LARGEST_BLOCK >> 20} MiB")
        if count > unpacked:
            raise ValueError(f"one of its blocks is said to hold {count:,} records in {unpacked:,} bytes")


def _unpacked_bytes(content: bytes, codec: str) -> int:
    """How many bytes a block unpacks to; of a large one only that it is larger than it may be."""
    match codec:
        case "deflate":
            return _count(_inflated(content))
        case "snappy":
            return _said_by_snappy(content)
        case "zstandard":
            with pa.input_stream(pa.BufferReader(content), compression="zstd") as stream:
                return _count(iter(lambda: stream.read(_CHUNK_BYTES), b""))
        case "bzip2":
            return _count(_unpacked(bz2.BZ2Decompressor(), content))
        case "xz":
            return _count(_unpacked(lzma.LZMADecompressor(), content))
    return len(content)


def _count(chunks: Iterator[bytes]) -> int:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST_BLOCK:
            break
    return size


def _inflated(content: bytes) -> Iterator[bytes]:
    unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
    while content and not unpacking.eof:
        yield unpacking.decompress(content, _CHUNK_BYTES)
        content = unpacking.unconsumed_tail


def _unpacked(unpacking: bz2.BZ2Decompressor | lzma.LZMADecompressor, content: bytes) -> Iterator[bytes]:
    while not unpacking.eof and (chunk := unpacking.decompress(content, _CHUNK_BYTES)):
        yield chunk
        content = b""


def _said_by_snappy(content: bytes) -> int:
    """What a block of Snappy says of itself; one that is small enough is tried, as its reader raises what it likes."""
    size = 0
    for place, byte in enumerate(content[:_LONGEST_NUMBER]):
        size |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            break
    if size <= LARGEST_BLOCK:
        pa.Codec("snappy").decompress(content[:-_CHECKSUM_BYTES], decompressed_size=size)
    return size


def _read_long(file: BinaryIO, *, is_first: bool = False) -> int | None:
    """A number of the file; None at its end, where the first of a block may be missing.

    Raises:
        EOFError: it has no end.
    """
    number = 0
    for place in range(_LONGEST_NUMBER):
        byte = file.read(1)
        if not byte and is_first and not place:
            return None
        if not byte:
            break
        number |= (byte[0] & 0x7F) << (7 * place)
        if not byte[0] & 0x80:
            return (number >> 1) ^ -(number & 1)
    raise EOFError("a block is cut short")
