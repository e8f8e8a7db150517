"""Records of TFRecord files, read without TensorFlow.

A record is its length (8 bytes, little-endian), a checksum (4 bytes), its bytes, and another
checksum (tensorflow/core/lib/io/record_writer.h). The checksums are not looked at: a record that
was damaged is no protocol buffer either, as a rule.
"""

import struct
from collections.abc import Iterator

from components.charts.files import ArtifactError

_LENGTH = struct.Struct("<Q")
_HEADER, _FOOTER = 12, 4


class CutOffError(ArtifactError):
    """A file that ends within a record, because its writer was interrupted."""


def records(content: bytes) -> Iterator[bytes]:
    """Yields the records of a file that is not compressed.

    Args:
        content: The file's content.

    Raises:
        CutOffError: After the last whole record, if there is something behind it.
    """
    start = 0
    while start < len(content):
        data = start + _HEADER
        if data > len(content):
            raise CutOffError(f"the file ends within the record at byte {start}")
        (length,) = _LENGTH.unpack_from(content, start)
        end = data + length
        if end + _FOOTER > len(content):
            raise CutOffError(f"the file ends within the record at byte {start}")
        yield content[data:end]
        start = end + _FOOTER
