"""The pages that are made from records of searched methods, and how each begins."""

from pathlib import Path
from typing import NamedTuple

from cl_bench.analysis.comparison import ALPHA
from cl_bench.config.choices import choices
from docs.hooks.reference import REFERENCE, ROOT, remarks

SEARCHED = """Settings are searched on streams that are not reported.
The column `trials` has the budget of each.
[Tune without leaking](tuning.md) has the protocol, and [Strategies](strategies.md) the equations.
All methods see the same stream at the same seed. So differences are tested on matched seeds.
"""
SEEDS = """Permutations differ from seed to seed. Splits have the same classes in each task.
There seeds differ in first weights, batches and noise.
"""
MADE = "The page is made from the records by `make reference`."

COMPARISON = f"""# The comparison

Methods that were tuned with equal budgets are compared here on permuted and split MNIST and CIFAR-10.
{SEARCHED}{SEEDS}
{{command}}{MADE}
Numbers are means over seeds, ± half of the 95 % Student t interval, in percent where no unit is named.
Bold is the best of a column, and each method that a paired t-test does not separate from it.
Its p is then above {ALPHA:g}, after Holm's adjustment over the methods that are tested against the best.
Joint training is a reference, and never bold.

- `stored` is all that a method keeps to learn the next task.
- `deployed` is the network with one set of weights. A binary weight takes one bit.
- `predicting` is what its tested predictions need: a posterior where they average over weight samples.
- `gradients` counts those of single examples, for each weight sample and each importance.
- `trials` counts the settings that were tried. A run of `other settings` differs from its search.
- `foreign AUROC` says how well confidence tells Fashion-MNIST from the tasks: 100 tells all apart, 50 none.
"""
EVERY_METHOD = f"""# Every method

Every strategy of the suite has a row here, on handwritten digits of 8x8 pixels that scikit-learn brings.
{SEARCHED}{SEEDS}
{{command}}{MADE}
[The comparison](comparison.md) explains columns and bold. It has some of these methods on larger images.
"""
OUTPUT_LAYERS = f"""# Output layers on trained features

A network that was trained before stays as it is here. An output layer alone learns the tasks, in one pass.
The network is the suite's small CNN, trained on Fashion-MNIST.
The data are 128 features that this network computes of each MNIST digit.

- `bayesian_linear`, `streaming_lda`, `nearest_class_mean` and `ranpac` sum over examples. They have
  [an exact answer](strategies.md#output-layers-with-an-exact-answer), and take no gradients.
- The others take gradient steps in batches of 32. `joint` steps through all tasks so far.
- In `task` each task has a head. `domain` has one head of two outputs, and `class` one of ten.

In `class` an exact answer hardly depends on the order of digits: it ends where all tasks at once would end.
It forgets all the same, since earlier it had fewer classes to tell apart.
One gradient pass over all tasks, `joint`, ends below every exact answer but that of `nearest_class_mean`.
In `task` each head is trained once, on features that stay. So there is next to nothing to forget.

{SEARCHED}Digits are drawn to tasks anew for each seed. `joint` and `nearest_class_mean` have their defaults.

Two commands make the file of features. The third runs the study, in the same folder.

```sh
cl-bench run study=pretrained strategy=finetune benchmark=split benchmark/dataset=fashion_mnist \\
    benchmark.num_tasks=1 benchmark.scenario=class benchmark.pixels=standardised model=cnn \\
    training.epochs=4 training.schedule=cosine "training.save=[weights]"
cl-bench features benchmark/dataset=mnist benchmark.pixels=standardised \\
    checkpoint=results/pretrained/split_fashion_mnist-finetune-s0-de2dd3e7 \\
    -o mnist_by_fashion_mnist.safetensors
```

{{command}}{MADE}
[The comparison](comparison.md) explains columns and bold.
"""


class Page(NamedTuple):
    """A page of one study of `results/reference`; the study and its experiment have one name."""

    study: str
    beginning: str
    after_command: str  # a sentence

    @property
    def folder(self) -> Path:
        return REFERENCE / self.study

    @property
    def path(self) -> Path:
        return ROOT / "docs" / f"{self.study}.md"

    @property
    def head(self) -> str:
        """How the page begins; the command where this checkout has the experiment."""
        command = f"```sh\ncl-bench run experiment={self.study}\n```\n\n{self.after_command}"
        return self.beginning.replace("{command}", command if self.study in choices("experiment") else "")

    @property
    def remark(self) -> str:
        return f"\n{remarks(self.study)[1]}\n"


PAGES = (
    Page(
        "comparison",
        COMPARISON,
        "That command runs eight methods. Those without a file in `conf/tuned/comparison_*` have their "
        "defaults. What has no row was not run. ",
    ),
    Page("every_method", EVERY_METHOD, ""),
    Page("output_layers", OUTPUT_LAYERS, ""),
)
