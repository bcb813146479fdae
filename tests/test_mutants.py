"""The suite must be able to fail: every planted fault is found by the same properties that hold for the true code."""

import ast
import inspect
from contextlib import ExitStack

import pytest

from .proof import blind_spots, papers
from .proof.game_mutants import game_mutants
from .proof.mutants import all_vjps, generic_mutants, textual_mutants
from .proof.report import REPORT
from .proof.tape import MODULES

TEXTUAL = [*textual_mutants(), *blind_spots.mutants(), *game_mutants()]
MUTANTS = [*generic_mutants(), *TEXTUAL]
PLAYED = {"games", "mixtures", *papers.GAMES}  # their checks run without a fault in test_games.py
CONTROLS = {mutant.op: mutant for mutant in reversed(MUTANTS) if mutant.op not in PLAYED}
REWRITTEN = {}  # first check -> a mutant of each function that is rewritten under it: one run of the check serves them all
for of_one_function in {mutant.name.partition(":")[0]: mutant for mutant in TEXTUAL}.values():
    REWRITTEN.setdefault(repr(of_one_function.checks[0]), []).append(of_one_function)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_killed(mutant):
    with REPORT.silence():
        found = mutant.found_by()
    REPORT.planted(mutant.op, found and (found[0], isinstance(found[1], AssertionError)))
    assert found, f"nothing noticed {mutant.name}"


def test_every_op_of_the_package_has_properties_and_mutants():
    written = {node.name for module in MODULES for node in ast.parse(inspect.getsource(module)).body
               if isinstance(node, ast.FunctionDef)
               and any(isinstance(call, ast.Call) and getattr(call.func, "id", "") == "from_op" for call in ast.walk(node))}
    assert written == {op for op, _ in all_vjps()}


@pytest.mark.parametrize("mutant", CONTROLS.values(), ids=lambda m: m.op)
def test_without_a_fault_the_same_checks_pass(mutant):
    with REPORT.silence():
        mutant.run_control(mutant.checks)


@pytest.mark.parametrize("mutants", REWRITTEN.values(), ids=lambda mutants: mutants[0].name)
def test_rewriting_functions_is_not_itself_a_fault(mutants):
    first, *others = mutants
    with REPORT.silence(), ExitStack() as together:
        for mutant in others:
            together.enter_context(mutant.control())
        first.run_control(first.checks[:1])
