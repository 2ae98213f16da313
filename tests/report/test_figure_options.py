"""What a user may choose for a figure is what is drawn; what a kind has no use for is refused by name."""

import re
import runpy
import zlib
from pathlib import Path

import numpy as np
import pytest

from cl_bench.analysis import AnalysisError
from cl_bench.analysis.registry import registered
from cl_bench.analysis.results import Results
from cl_bench.cli.main import main
from cl_bench.figures.comparison import _past_markers
from cl_bench.report.figure_kinds import KINDS, OVER_BENCHMARKS, WITHOUT_INTERVALS
from cl_bench.report.figure_options import Options, tasks_of, users
from cl_bench.report.plot import drawings, plot

HERE = Path(__file__).parents[1]  # tests
write_run = runpy.run_path(str(HERE / "analysis" / "synthetic.py"))["write_run"]
measure = runpy.run_path(str(HERE / "figures" / "full_runs.py"))["measure"]
A_PANEL_A_METHOD = ("heatmap", "calibration")
OF_ONE_BENCHMARK = [kind for kind in KINDS if kind not in ("confusion", "variance", *OVER_BENCHMARKS)]


@pytest.fixture(scope="module")
def fourteen(tmp_path_factory):
    """Fourteen methods, two seeds, five tasks."""
    folder = tmp_path_factory.mktemp("results")
    for place in range(14):
        for seed in range(2):
            decay = 0.02 * (1 + place)
            run = write_run(
                folder, strategy=f"method_{place:02d}", seed=seed, num_tasks=5, decay=decay,
                settings={"strategy._target_": f"{'mine' if place == 3 else 'cl_bench'}.Method{place}"},
            )  # fmt: skip
            measure(run, seed=seed, num_tasks=5)
    return folder


def make(kind, folder, **options):
    """The figure of one benchmark, not saved."""
    asked = Options(**options)
    asked.check(kind)
    results = Results.read(folder, interval=asked.interval or "t")
    (drawing,) = drawings(results, [kind], folder=Path(), options=asked)
    return drawing.make(**drawing.arguments)


def lines(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


def legend_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize(
    "kind", [kind for kind in OF_ONE_BENCHMARK if kind not in ("heatmap", "calibration")]
)
def test_legends_have_the_chosen_methods_in_their_order_under_their_labels(fourteen, kind):
    figure = make(kind, fourteen, methods="method_07,method_03,method_1*", labels=["method_03=Mine (ours)"])
    expected = ["method_07", "Mine (ours)", "method_10", "method_11", "method_12", "method_13"]
    assert legend_of(figure)[:6] == expected


@pytest.mark.parametrize("kind", A_PANEL_A_METHOD)
def test_panels_are_the_chosen_methods_in_their_order(fourteen, kind):
    figure = make(kind, fourteen, methods="method_07,method_03", labels={"method_03": "Mine"})
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes]
    assert titles[:2] == ["method_07", "Mine"]


def test_a_method_looks_the_same_alone_and_beside_others(fourteen):
    alone, beside = (make("drift", fourteen, methods=methods) for methods in ("method_03", None))
    one, other = (lines(figure.axes[0], "method_03")[0] for figure in (alone, beside))
    assert (one.get_color(), one.get_marker()) == (other.get_color(), other.get_marker())


def test_a_strategy_from_elsewhere_has_a_marker_that_no_other_has(fourteen):
    figure = make("drift", fourteen)
    markers = {line.get_label(): line.get_marker() for line in figure.axes[0].lines}
    assert markers.pop("method_03") == "*"
    assert "*" not in markers.values()


@pytest.mark.parametrize("kind", OF_ONE_BENCHMARK)
@pytest.mark.parametrize("methods", [None, "method_03"])
def test_a_figure_of_one_column_is_no_higher_than_a_third_more_than_wide(fourteen, kind, methods):
    figure = make(kind, fourteen, width=3.3, methods=methods)
    figure.draw_without_rendering()
    assert figure.get_figheight() <= 1.33 * 3.3
    assert figure.get_figwidth() <= 3.4
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box.x0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert axes.get_position().height * figure.get_figheight() > 0.3


def is_whole(figure):
    """Whether no letter is cut at an edge of the figure."""
    figure.draw_without_rendering()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    edges = figure.bbox
    across = all(box.x0 >= -1 and box.x1 <= edges.x1 + 1 for box in boxes)
    return across and all(box.y0 >= -1 and box.y1 <= edges.y1 + 1 for box in boxes)


@pytest.mark.parametrize("kind", OF_ONE_BENCHMARK)
@pytest.mark.parametrize(("width", "height"), [(3.3, None), (7.2, 2.6), (3.3, 2.6), (2.2, None)])
def test_no_letter_is_cut_at_an_edge(fourteen, kind, width, height):
    try:
        figure = make(kind, fourteen, methods="method_00,method_13", width=width, height=height)
    except AnalysisError as error:
        if height is None or "has no room" not in str(error):
            raise
    else:
        assert is_whole(figure)


@pytest.mark.parametrize("tasks", [[1, "mean"], [1, 2, "mean"], ["mean"], [5]])
@pytest.mark.parametrize("width", [7.2, 3.3, 2.2])
def test_the_title_of_a_zoomed_panel_fits_too(fourteen, tasks, width):
    zoomed = "method_00,method_01,method_02,method_13"
    figure = make("forgetting", fourteen, methods=zoomed, tasks=tasks, width=width)
    assert is_whole(figure)
    assert "zoom" in figure.axes[-1].get_title() or len(tasks) == 1


@pytest.mark.parametrize("seed", range(5))
def test_a_zoomed_panel_cuts_no_marker(seed):
    points = np.random.default_rng(seed).random((2, 40))
    first = np.array([[0.2, 0.5], [0.3, 0.6]])
    low, high = _past_markers(first, points).T[..., None]
    place = (points - low) / (high - low)
    seen = ((place > 0) & (place < 1)).all(axis=0)
    assert (abs(place[:, seen] - 0.5) < 0.5 - 0.04).all()
    beside = ((place > -0.04) & (place < 1.04)).all(axis=0)
    assert (beside == seen).all()
    assert (low[:, 0] <= first[:, 0]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_options_that_a_kind_has_no_use_for_are_refused_by_name(kind):
    values = {"metric": "forgetting", "tasks": [1], "interval": "se", "ylim": (0.0, 1.0)}
    for name, value in values.items():
        if kind in users(name):
            continue
        with pytest.raises(AnalysisError, match=f"{kind} has no use for {name}; kinds that have: "):
            Options(**{name: value}).check(kind)
    assert (kind in users("interval")) == (kind not in WITHOUT_INTERVALS)


@pytest.mark.parametrize(
    ("interval", "half"),
    [("t", 12.7062 / np.sqrt(2)), ("se", 1 / np.sqrt(2))],
)
def test_the_interval_is_the_one_that_was_chosen(fourteen, interval, half):
    figure = make("forgetting", fourteen, methods="method_00", tasks=["mean"], interval=interval)
    (axes,) = figure.axes
    lower, upper = axes.collections[0].get_paths()  # the ends: two seeds have no shaded band
    results = Results.read(fourteen)
    seeds = [100 * run.measures.seen for run in results.matrices if run.method == "method_00"]
    spread = np.std(seeds, axis=0, ddof=1) * half
    low, high = lower.vertices, upper.vertices[::-1]
    np.testing.assert_allclose((high[:, 1] - low[:, 1])[:5] / 2, spread, rtol=1e-4)


def test_without_an_interval_there_is_none(fourteen):
    figure = make("forgetting", fourteen, methods="method_00", tasks=["mean"], interval="none")
    assert not figure.axes[0].collections


def test_panels_are_the_tasks_that_were_chosen(fourteen):
    for kind, mean in (("forgetting", "mean of tasks seen"), ("stability_gap", "mean over new tasks")):
        titles = [axes.get_title() for axes in make(kind, fourteen, tasks=tasks_of("4, 1,mean")).axes]
        assert titles[:2] == ["task 4", "task 1"]
        zoomed = "mean (zoom: 8 of 14)"  # in few words, where those of the mean have no room beside it
        assert titles[2].replace("\n", " ").startswith((mean, zoomed))


def test_another_column_of_the_records_is_drawn_in_its_unit(fourteen):
    figure = make("forgetting", fourteen, metric="nll", methods="method_00", tasks=[1])
    assert figure.axes[0].get_ylabel() == "log loss (nats)"
    assert lines(figure.axes[0], "method_00")[0].get_ydata() == pytest.approx([0.5] * 5)
    heat = make("heatmap", fourteen, metric="nll", methods="method_00")
    assert np.asarray(heat.axes[0].images[0].get_array()) == pytest.approx(0.5)


def test_a_comparison_is_of_the_metrics_that_were_chosen(fourteen):
    figure = make(
        "comparison", fourteen, metric="learning_accuracy,stored_bits", methods="method_00,method_01"
    )
    axes = figure.axes[0]
    rows = Results.read(fourteen).summary.set_index("method")
    point = lines(axes, "method_00")[0].get_xydata()[0]
    assert point == pytest.approx([1000 / 8192, 100 * rows["learning_accuracy_mean"]["method_00"]])
    assert axes.get_xlabel() == "stored (KiB; ← is better)"


def test_limits_height_and_title_are_those_that_were_given(fourteen):
    figure = make("forgetting", fourteen, ylim=(20, 60), height=4.5, title="My figure")
    assert figure.axes[0].get_ylim() == (20, 60)
    assert figure.get_figheight() == 4.5
    assert figure.get_suptitle() == "My figure"
    assert make("forgetting", fourteen, title="").get_suptitle() == ""


def test_no_title_is_none_at_all_where_some_tasks_are_shown(tmp_path):
    write_run(tmp_path, num_tasks=20)
    assert "tasks shown" in make("forgetting", tmp_path).get_suptitle()
    assert make("forgetting", tmp_path, title="").get_suptitle() == ""


def test_metrics_against_a_method_that_is_not_shown_stay(tmp_path):
    for strategy, decay in {"joint": 0.0, "ewc": 0.2}.items():
        write_run(tmp_path, strategy=strategy, decay=decay)
    expected = Results.read(tmp_path).summary.set_index("method")["intransigence_mean"]["ewc"]
    figure = make("comparison", tmp_path, metric="average_accuracy,intransigence", methods="ewc")
    assert lines(figure.axes[0], "ewc")[0].get_xdata() == pytest.approx([100 * expected])


def test_a_benchmark_without_any_of_the_chosen_methods_is_noted(tmp_path):
    write_run(tmp_path, benchmark="a", strategy="ewc")
    write_run(tmp_path, benchmark="b", strategy="vcl")
    made = plot("comparison", tmp_path, methods="ewc", output=tmp_path / "x.png")
    assert [path.name for path in made.paths] == ["x.png"]
    assert made.notes == ["b has no figure: none of the chosen methods was run on it."]


def test_a_figure_with_choices_is_not_that_of_the_report(fourteen):
    made = plot("drift", fourteen, methods="method_00", title="")
    assert [path.name for path in made.paths] == [
        "drift-permuted_mnist-chosen.png",
        "drift-permuted_mnist-chosen.svg",
    ]


def test_letters_in_a_pdf_are_truetype(fourteen, tmp_path):
    (path,) = plot(
        "comparison", fourteen, output=tmp_path / "x.pdf", labels="method_00=Ünï λ $x_1$ & 5%"
    ).paths
    content = path.read_bytes()
    packed = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.S)
    found = [content]
    for each in packed:
        try:
            found.append(zlib.decompress(each))
        except zlib.error:
            found.append(each)
    fonts = set(re.findall(rb"/Subtype\s*/(Type\w+|CIDFont\w+|TrueType)", b"".join(found)))
    assert b"Type3" not in fonts
    assert fonts & {b"TrueType", b"CIDFontType2"}


LABELS = ["λ→μ ß é", r"a_b^c \alpha {x} 100% & #1 ~", "$\\frac{1}{$ 5$", "中文", "a" * 120, "two\nlines"]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("kind", ["comparison", "calibration"])
def test_a_label_of_any_kind_is_drawn_as_it_is(fourteen, kind, label):
    figure = make(kind, fourteen, methods="method_0[012]", labels={"method_01": label}, width=3.3)
    figure.draw_without_rendering()
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert box.x0 >= -1
        assert box.x1 <= figure.bbox.x1 + 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["comparison", "--methods", "method_99"],
            "no method 'method_99' in these runs; did you mean",
        ),
        (["comparison", "--labels", "method_99=A"], "no method 'method_99' in these runs"),
        (["comparison", "--labels", "method_00=A", "--labels", "method_01=A"], "would both be called 'A'"),
        (["comparison", "--tasks", "1"], "comparison has no use for tasks; kinds that have: forgetting"),
        (["heatmap", "--interval", "se"], "heatmap has no use for interval"),
        (["forgetting", "--tasks", "1,9"], "tasks are numbers from 1 to 5 here, or mean, got 9"),
        (["forgetting", "--tasks", ","], "tasks must name one or more of 1 to 5 and mean"),
        (["forgetting", "--metric", "loss"], "metric='loss' is none of accuracy, nll"),
        (["comparison", "--metric", "averge_accuracy"], "did you mean average_accuracy"),
        (["comparison", "--metric", "forgetting"], "a comparison is of two metrics"),
        (["pareto", "--metric", "forgetting"], "a Pareto front is of a metric of which more is better"),
        (
            ["pareto", "--cost", "stored_bits,bits"],
            "a cost is one of stored_bits, deployed_bits, predicting_bits",
        ),
        (["forgetting", "--cost", "stored_bits"], "forgetting has no use for cost; kinds that have: pareto"),
        (["drift", "--metric", "drifts"], "the metric of this kind is one of drift, frozen"),
        (["drift", "--ylim", "0", "1"], "for ylim choose metric=drift or frozen"),
        (["forgetting", "--ylim", "60", "20"], "ylim must be two numbers, the lower first"),
        (["forgetting", "--ylim", "nan", "20"], "ylim must be two numbers"),
        (["forgetting", "--height", "1"], "a figure of height=1 inches has no room for its panels"),
        (["forgetting", "--height", "nan"], "the height of a figure must be 1 inches or more"),
        (["forgetting", "--width", "inf"], "the width of a figure must be 50 inches or less"),
    ],
)
def test_the_command_refuses_a_slip_with_one_sentence(fourteen, tmp_path, capsys, arguments, said):
    assert main(["plot", *arguments, str(fourteen), "-o", str(tmp_path / "x.png")]) == 1
    printed, wrong = capsys.readouterr()
    assert said in wrong
    assert len(wrong.splitlines()) == 1
    assert not printed
    assert not list(tmp_path.iterdir())


def test_a_front_is_drawn_for_each_cost_that_is_named(fourteen):
    figure = make("pareto", fourteen, cost="deployed_bits, training_seconds")
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "deployed (bits); ← is better", "training (s); ← is better",
    ]  # fmt: skip


def test_the_costs_in_the_help_are_those_that_there_are(capsys):
    assert main(["plot", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    costs = [each.name for each in registered() if each.group == "cost" and each.better == "lower"]
    assert f"of pareto, a panel each: {', '.join(costs)}" in shown


def test_the_command_draws_what_was_chosen(fourteen, tmp_path, capsys):
    arguments = [
        "--methods",
        "method_03,method_0*",
        "--labels",
        "method_03=Mine (ours)",
        "--interval",
        "none",
    ]
    size = ["--width", "3.3", "--height", "3", "--no-title", "--ylim", "0", "100", "--tasks", "1,mean"]
    output = tmp_path / "figure.png"
    assert main(["plot", "forgetting", str(fourteen), *arguments, *size, "-o", str(output)]) == 0
    assert capsys.readouterr().out.split() == [str(output)]
    assert output.exists()
