"""Avalanche strategies: thin hooks around the mathematics in posteriors/."""

from cl_bench.deferred import deferred

with deferred():  # half of what Avalanche imports is of use to few runs
    from cl_bench.learner.base import Learner
    from cl_bench.strategies.a_gem import AGEM
    from cl_bench.strategies.adaste import AdaSTE
    from cl_bench.strategies.avalanche import stock
    from cl_bench.strategies.bayesbinn import BayesBiNN
    from cl_bench.strategies.bayesian_linear import BayesianLinear
    from cl_bench.strategies.bimu import BiMU
    from cl_bench.strategies.bop import Bop
    from cl_bench.strategies.covon import CoVON
    from cl_bench.strategies.der import DER
    from cl_bench.strategies.er_ace import ERACE
    from cl_bench.strategies.ewc import EWC
    from cl_bench.strategies.finetune import Finetune
    from cl_bench.strategies.function_prior import FunctionPrior
    from cl_bench.strategies.gdumb import GDumb
    from cl_bench.strategies.gpm import GPM
    from cl_bench.strategies.gvcl import GVCL
    from cl_bench.strategies.ivon import IVON
    from cl_bench.strategies.joint import Joint
    from cl_bench.strategies.l2 import L2
    from cl_bench.strategies.lwf import LwF
    from cl_bench.strategies.mas import MAS
    from cl_bench.strategies.message_passing import MessagePassing
    from cl_bench.strategies.mesu import MESU
    from cl_bench.strategies.nearest_class_mean import NearestClassMean
    from cl_bench.strategies.online_laplace import OnlineLaplace
    from cl_bench.strategies.ranpac import RanPAC
    from cl_bench.strategies.replay import Replay
    from cl_bench.strategies.si import SI
    from cl_bench.strategies.straight_through import StraightThrough
    from cl_bench.strategies.streaming_lda import StreamingLDA
    from cl_bench.strategies.synaptic_metaplasticity import SynapticMetaplasticity
    from cl_bench.strategies.td_vcl import TDVCL
    from cl_bench.strategies.ucb import UCB
    from cl_bench.strategies.vcl import VCL

__all__ = [
    "AGEM",
    "DER",
    "ERACE",
    "EWC",
    "GPM",
    "GVCL",
    "IVON",
    "L2",
    "MAS",
    "MESU",
    "SI",
    "TDVCL",
    "UCB",
    "VCL",
    "AdaSTE",
    "BayesBiNN",
    "BayesianLinear",
    "BiMU",
    "Bop",
    "CoVON",
    "Finetune",
    "FunctionPrior",
    "GDumb",
    "Joint",
    "Learner",
    "LwF",
    "MessagePassing",
    "NearestClassMean",
    "OnlineLaplace",
    "RanPAC",
    "Replay",
    "StraightThrough",
    "StreamingLDA",
    "SynapticMetaplasticity",
    "stock",
]
