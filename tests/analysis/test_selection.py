"""Methods are named, ordered and relabelled as a paper needs them; slips are refused by name."""

import pandas as pd
import pytest

from cl_bench.analysis.selection import select
from cl_bench.records.errors import AnalysisError

KNOWN = ["vcl", "ewc strength=100", "ewc strength=50", "bayesbinn", "mlp hidden=[100,100]"]


def test_without_names_all_methods_are_shown_and_tables_keep_their_order():
    found = select(KNOWN)
    expected = ["bayesbinn", "ewc strength=50", "ewc strength=100", "mlp hidden=[100,100]", "vcl"]
    assert list(found.labels) == list(found.labels.values()) == expected
    table = pd.DataFrame({"method": KNOWN})
    assert found.of(table)["method"].tolist() == KNOWN


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ("vcl,bayesbinn", ["vcl", "bayesbinn"]),
        (["vcl", "bayesbinn"], ["vcl", "bayesbinn"]),
        ("ewc", ["ewc strength=50", "ewc strength=100"]),
        ("ewc strength=100, ewc", ["ewc strength=100", "ewc strength=50"]),
        ("b*,v*", ["bayesbinn", "vcl"]),
        ("mlp hidden=[100,100]", ["mlp hidden=[100,100]"]),
        ("vcl,mlp hidden=[100,100],bayesbinn", ["vcl", "mlp hidden=[100,100]", "bayesbinn"]),
    ],
)
def test_methods_are_in_the_order_in_which_they_are_named(methods, expected):
    found = select(KNOWN, methods=methods)
    assert list(found.labels) == expected
    assert found.of(pd.DataFrame({"method": KNOWN}))["method"].tolist() == expected


def test_a_star_after_names_means_the_others():
    found = list(select(KNOWN, methods="vcl,*").labels)
    assert found[0] == "vcl"
    assert sorted(found) == sorted(KNOWN)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("bayesbinn=BayesBiNN (ours)", {"bayesbinn": "BayesBiNN (ours)"}),
        (["ewc=EWC", "vcl=VCL"], {"ewc strength=50": "EWC strength=50", "vcl": "VCL"}),
        ("ewc=EWC,vcl=VCL", {"ewc strength=100": "EWC strength=100", "vcl": "VCL"}),
        ("vcl=VCL, Nguyen et al.", {"vcl": "VCL, Nguyen et al."}),
        ("ewc strength=50=EWC, λ=50", {"ewc strength=50": "EWC, λ=50"}),
        (
            {"ewc strength=50": "weak", "ewc": "E"},
            {"ewc strength=50": "weak", "ewc strength=100": "E strength=100"},
        ),
        ("vcl=$q_t$ & 5%", {"vcl": "$q_t$ & 5%"}),
    ],
)  # fmt: skip
def test_labels_are_of_methods_or_of_strategies(labels, expected):
    found = select(KNOWN, labels=labels).labels
    assert {method: found[method] for method in expected} == expected
    others = [method for method in KNOWN if method.split(" ")[0] not in str(labels)]
    assert [found[method] for method in others] == others


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"methods": "bayesbin"}, "no method 'bayesbin' in these runs; did you mean bayesbinn?"),
        ({"methods": "evc"}, "did you mean vcl or ewc?"),
        ({"methods": "x*"}, "no method 'x\\*' in these runs; there are bayesbinn, ewc strength=50"),
        ({"methods": ""}, "methods must name one or more"),
        ({"methods": []}, "methods must name one or more"),
        ({"labels": "bayesbin=A"}, "no method 'bayesbin' in these runs; did you mean bayesbinn?"),
        ({"labels": {"bayesbin": "A"}}, "did you mean bayesbinn?"),
        ({"labels": "bayesbinn"}, "a label is given as name=label, got 'bayesbinn'"),
        ({"labels": "vcl="}, "the label of 'vcl' is empty"),
        ({"labels": "vcl=bayesbinn"}, "'bayesbinn' and 'vcl' would both be called 'bayesbinn'"),
    ],
)
def test_a_slip_is_refused(options, said):
    with pytest.raises(AnalysisError, match=said):
        select(KNOWN, **options)


def test_a_label_that_another_method_has_is_no_matter_where_that_one_is_not_shown():
    assert select(KNOWN, methods="vcl", labels="vcl=bayesbinn").labels == {"vcl": "bayesbinn"}
