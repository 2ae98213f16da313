"""Which device is meant by a name, and whether there is one."""

import torch

from cl_bench.validation import check_device


def device_named(name: str, *, setting: str = "device") -> torch.device:
    """The device of a name: `auto` and `gpu` are CUDA's, where there is one, and `auto` otherwise the CPU.

    Args:
        setting: whose value it is, for the error.

    Raises:
        ValueError: for another name, and for a device that torch does not see here.
    """
    check_device(name, setting=setting)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name.replace("gpu", "cuda"))
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"{setting}={name} needs a CUDA device and torch sees none; use {setting}=cpu, or install "
            "a torch that was built for your GPU and its driver"
        )
    if device.index is not None and device.index >= torch.cuda.device_count():
        seen = torch.cuda.device_count()
        there = "cuda:0 alone" if seen == 1 else f"cuda:0 to cuda:{seen - 1}"
        raise ValueError(
            f"{setting}={name} must be one of the CUDA devices that torch sees, which are {there}; "
            f"use {setting}=cuda, and CUDA_VISIBLE_DEVICES to choose among them"
        )
    return device


def as_device(device: torch.device | str) -> torch.device:
    """A device as it is, and of a name the device that it means. Raises ValueError as `device_named`."""
    return device if isinstance(device, torch.device) else device_named(device)
