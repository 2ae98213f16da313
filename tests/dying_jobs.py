"""Jobs for test_workers.py, in a module that other processes can import."""

import os
import signal

from endings import ENDINGS
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from cl_bench.runner.endings import ends_alone


def task(number):
    """Jobs 2 and 5 kill their process, 3 fails."""
    if number in (2, 5):
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 3:
        raise LookupError("three")
    return number


def end(number):
    """Job number n ends in the n-th way."""
    with ends_alone():
        list(ENDINGS.values())[number][0]()


def one(noted, number, argument):
    """As Hydra's launcher runs a job."""
    HydraConfig.instance().cfg = OmegaConf.create({"hydra": {"job": {"num": number}}})
    try:
        return JobReturn(status=JobStatus.COMPLETED, _return_value=noted(argument))
    except Exception as error:
        return JobReturn(status=JobStatus.FAILED, _return_value=error)
