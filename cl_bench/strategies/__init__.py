"""Avalanche strategies: thin hooks around the mathematics in posteriors/."""

from cl_bench.strategies.bayesbinn import BayesBiNN
from cl_bench.strategies.ewc import EWC
from cl_bench.strategies.gvcl import GVCL
from cl_bench.strategies.joint import Joint
from cl_bench.strategies.l2 import L2
from cl_bench.strategies.learner import Finetune, Learner
from cl_bench.strategies.lwf import LwF
from cl_bench.strategies.mas import MAS
from cl_bench.strategies.online_laplace import OnlineLaplace
from cl_bench.strategies.si import SI
from cl_bench.strategies.stock import stock
from cl_bench.strategies.straight_through import StraightThrough
from cl_bench.strategies.vcl import VCL

__all__ = [
    "EWC",
    "GVCL",
    "L2",
    "MAS",
    "SI",
    "VCL",
    "BayesBiNN",
    "Finetune",
    "Joint",
    "Learner",
    "LwF",
    "OnlineLaplace",
    "StraightThrough",
    "stock",
]
