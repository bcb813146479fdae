"""The suite must be able to fail: every planted fault is found by the same properties that hold for the true code.

On Linux, conftest.py has the faults planted in a second process, while this one runs the other tests.
"""

import ast
import functools
import inspect

import pytest

from .proof import blind_spots, papers
from .proof.game_mutants import game_mutants
from .proof.mutants import GENERIC, all_vjps, generic_mutants, textual_mutants
from .proof.report import REPORT
from .proof.tape import MODULES

TEXTUAL = [*textual_mutants(), *blind_spots.mutants(), *game_mutants()]
MUTANTS = [*generic_mutants(), *TEXTUAL]
AHEAD = pytest.StashKey()  # number of a mutant -> future of what `finder` returns
PLAYED = {"games", "mixtures", *papers.GAMES}  # their checks run without a fault in test_games.py
CONTROLS = {mutant.op: mutant for mutant in reversed(MUTANTS) if mutant.op not in PLAYED}
REWRITTEN = {mutant.name.partition(":")[0]: mutant for mutant in TEXTUAL}


@functools.cache
def finder(number):
    """The property that finds this mutant, and whether as a wrong number or as an exception; None if nothing does."""
    with REPORT.silence():
        found = MUTANTS[number].found_by()
    return found and (found[0], isinstance(found[1], AssertionError))


@pytest.fixture(scope="module")
def found(request):
    """A function: `finder`, or what it has found meanwhile."""
    ahead = request.config.stash.get(AHEAD, {})
    return lambda number: ahead[number].result() if number in ahead else finder(number)


@pytest.mark.parametrize("number", range(len(MUTANTS)), ids=lambda number: MUTANTS[number].name)
def test_mutant_is_killed(number, found):
    REPORT.planted(MUTANTS[number].op, found(number))
    assert found(number), f"nothing noticed {MUTANTS[number].name}"


def test_every_op_of_the_package_has_properties_and_mutants():
    written = {node.name for module in MODULES for node in ast.parse(inspect.getsource(module)).body
               if isinstance(node, ast.FunctionDef)
               and any(isinstance(call, ast.Call) and getattr(call.func, "id", "") == "from_op" for call in ast.walk(node))}
    assert written == {op for op, _ in all_vjps()}
    assert len(GENERIC) >= 3


@pytest.mark.parametrize("mutant", CONTROLS.values(), ids=lambda m: m.op)
def test_without_a_fault_the_same_checks_pass(mutant):
    with REPORT.silence():
        mutant.run_control(mutant.checks)


@pytest.mark.parametrize("mutant", REWRITTEN.values(), ids=lambda m: m.name)
def test_rewriting_a_function_is_not_itself_a_fault(mutant):
    with REPORT.silence():
        mutant.run_control(mutant.checks[:1])
