"""Objects as dask's workers hand them on: arrays outside the pickle, anywhere in a message."""

import pickle
from typing import Any


def handed_on(value: Any) -> Any:
    """What arrives of it, with every array one byte past an aligned address."""
    arrays: list[pickle.PickleBuffer] = []
    blob = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
    moved = [memoryview(bytearray(b"\0" + bytes(array.raw())))[1:] for array in arrays]
    return pickle.loads(blob, buffers=moved)  # noqa: S301 - our own pickle
