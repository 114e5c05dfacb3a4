"""The table of faults is complete, and every test it names exists."""

import ast

import pytest

from tests.faults.matrix import MATRIX
from tests.processes import ROOT


def test_every_fault_has_its_row() -> None:
    assert sorted(MATRIX) == list(range(1, 72))


@pytest.mark.parametrize("number", MATRIX)
def test_the_tests_of_a_fault_exist(number: int) -> None:
    _fault, tests = MATRIX[number]
    assert tests
    for test in tests:
        path, _, name = test.partition("::")
        found = {node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)}
        assert name in found, f"fault {number}: {test} does not exist"
