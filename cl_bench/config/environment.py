"""What a run's numbers may depend on besides its configuration: versions and hardware."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("cl-bench", "avalanche-lib", "torch", "torchvision", "numpy", "hydra-core")


def versions() -> dict[str, str]:
    by_package = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            by_package[package] = version(package)
        except PackageNotFoundError:
            by_package[package] = "not installed"
    return by_package


def hardware(device: str) -> dict[str, str | int]:
    """Return the device, the processor, how many cores this process may use, and the instructions that torch
    uses.

    With other instructions the last digits of a run differ.
    """
    import torch

    facts: dict[str, str | int] = {"device": device, "processor": _processor(), "cores": num_cores()}
    facts["instructions"] = torch.backends.cpu.get_cpu_capability()
    if chosen := os.environ.get("MKL_CBWR"):
        facts["MKL_CBWR"] = chosen
    if device.startswith("cuda"):
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["cuda"] = str(torch.version.cuda)
        facts["driver"] = _driver()
    return facts


def _driver() -> str:
    """Return the version of the kernel's driver of NVIDIA's cards."""
    try:
        told = Path("/proc/driver/nvidia/version").read_text()
    except OSError:
        return "unknown"
    numbers = re.findall(r"\d+(?:\.\d+)+", told.partition("\n")[0])
    return numbers[0] if numbers else "unknown"


def num_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
