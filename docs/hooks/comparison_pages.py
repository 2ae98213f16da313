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
Permutations differ from seed to seed. Splits have the same classes in each task.
There seeds differ in first weights, batches and noise.
"""
MADE = "The page is made from the records by `make reference`."

COMPARISON = f"""# The comparison

Methods that were tuned with equal budgets are compared here on permuted and split MNIST and CIFAR-10.
{SEARCHED}
{{command}}{MADE}
Numbers are means over seeds, ± half of the 95 % Student t interval, in percent where no unit is named.
Bold is the best of a column, and what a paired t-test does not separate from it.
Its p is above {ALPHA:g} after Holm's adjustment over the methods that are tested against the best.
Joint training is a reference, and never bold.

- `stored` is all that a method keeps to learn the next task.
- `deployed` is the network with one set of weights, of which a binary one is one bit.
- `predicting` is what its tested predictions need: a posterior where they average over weight samples.
- `gradients` counts those of single examples, for each weight sample and each importance.
- `trials` counts the settings that were tried. A run of `other settings` differs from its search.
- `foreign AUROC` says how well confidence tells Fashion-MNIST from the tasks: 100 tells all apart, 50 none.
"""
EVERY_METHOD = f"""# Every method

Every strategy of the suite has a row here, on handwritten digits of 8x8 pixels that scikit-learn brings.
{SEARCHED}
{{command}}{MADE}
[The comparison](comparison.md) explains columns and bold. It has BayesBiNN, EWC, VCL and fine-tuning on
larger images.
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
        "defaults. ",
    ),
    Page("every_method", EVERY_METHOD, ""),
)
