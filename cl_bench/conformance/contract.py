"""The checks as a pytest class."""

from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from cl_bench.conformance.catalogue import CHECKS
from cl_bench.conformance.check import FAIL, NOT_APPLICABLE, Check, result_of
from cl_bench.conformance.subject import Subject
from cl_bench.learner.claims import Claims


class StrategyContract:
    """Every check of the kit as a test of one strategy. Subclass it in a test file:

        from cl_bench.testing import StrategyContract

        class TestMine(StrategyContract):
            strategy = "my.module:Mine"
            settings = ("strategy.strength=3.0",)

    A check that does not apply is skipped, with the reason. A failure says what was asked, what was seen and
    what usually causes it.

    Attributes:
        strategy: the name of a choice of conf/strategy, also of an installed package's, or
            `package.module:Class`.
        settings: overrides, as on the command line of `cl-bench run`; a class without a YAML needs a value
            for each of its settings here, and a binary one `model.weights=binary`.
        config_dirs: folders of YAML where choices are looked for, too.
        claims: `Claims` in place of the strategy's own, for a class that cannot be edited.
    """

    strategy: ClassVar[str]
    settings: ClassVar[tuple[str, ...]] = ()
    config_dirs: ClassVar[tuple[Path | str, ...]] = ()
    claims: ClassVar[Claims | None] = None

    def pytest_generate_tests(self, metafunc: Any) -> None:
        if "check" in metafunc.fixturenames:
            metafunc.parametrize("check", CHECKS, ids=[check.name for check in CHECKS])

    def test_it(self, check: Check) -> None:
        result = result_of(check, self._subject(), self._failed())
        if result.outcome == FAIL:
            self._failed().append(check)
        if result.outcome == NOT_APPLICABLE:
            import pytest

            pytest.skip(result.seen)
        assert result.outcome != FAIL, str(result)

    @classmethod
    @cache
    def _subject(cls) -> Subject:
        """Return the one subject of all tests of a class: runs that two checks need are done once."""
        return Subject(cls.strategy, cls.settings, config_dirs=cls.config_dirs, claims=cls.claims)

    @classmethod
    @cache
    def _failed(cls) -> list[Check]:
        """List what has failed so far, for the checks that rest on it."""
        return []
