"""Opening images: a few formats only, 8 bits a channel, damage refused."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from matscale.figures.items import printable
from matscale.runtime.errors import Refused

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")
"""What is opened: Pillow's decoders of rarer formats fail in ways of their own."""

_TAKEN = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
"""Formats that providers take, by MIME type. ``MPO``, a JPEG with more behind it, is another."""

_ENDINGS = {"PNG": (".png",), "JPEG": (".jpg", ".jpeg"), "GIF": (".gif",), "WEBP": (".webp",)}


def pixels(path: Path) -> Image:
    """An image as 8-bit RGB.

    What has more than 8 bits (micrographs often have 16) is scaled from its least to its greatest
    value; Pillow itself clips it to white.

    Raises:
        Refused: If it is of no known format, or does not decode.
    """
    return _opened(path)[0]


def sendable(path: Path) -> str:
    """An image as providers take it: its path, or a data URI.

    The format is told by the content. It stays as it is where it is one that providers take and
    its file is named so; else it is sent under its right type, or as a PNG.

    Raises:
        Refused: As for :func:`pixels`.
    """
    image, form, deep = _opened(path)
    if form in _TAKEN and not deep:
        if path.suffix.lower() in _ENDINGS[form]:
            return str(path)
        return _uri(_TAKEN[form], path.read_bytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return _uri(_TAKEN["PNG"], buffer.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _opened(path: Path) -> tuple[Image, str, bool]:
    """The image in 8-bit RGB, its format, and whether it had more than 8 bits."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Published plates are large; what Pillow warns of it still opens, bombs it refuses.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
                return (_scaled(image) if deep else image).convert("RGB"), str(image.format), deep
    except Exception as error:  # noqa: BLE001 - decoders raise anything on damaged bytes
        said = f"{path.name}: {error}" if str(error) else f"{path.name}: {type(error).__name__}"
        raise Refused("broken image", printable(said)) from None


def _scaled(image: Image) -> Image:
    from PIL import Image

    values = np.nan_to_num(np.asarray(image, float))
    low, high = values.min(), values.max()
    shares = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return Image.fromarray(np.rint(255 * shares).astype(np.uint8))
