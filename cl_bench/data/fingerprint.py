"""Hashes of a data set's pixels and labels."""

import hashlib

from torch import Tensor

from cl_bench.data.image_data import ImageData


def digest(data: ImageData) -> dict[str, str | None]:
    """Hash shapes, pixels and labels of `train` and of `test`; None where no test images were read."""
    test = _sha256(data.test_images, data.test_labels) if len(data.test_labels) else None
    return {"train": _sha256(data.train_images, data.train_labels), "test": test}


def _sha256(*tensors: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().numpy().data)
    return digest.hexdigest()[:16]
