"""Columns: one definition each, whose direction is the one that methods are compared by."""

from ridgewalk.judging.comparison import HIGHER, JUDGED
from ridgewalk.reports import columns


def test_the_better_direction_of_a_column_is_the_one_that_methods_are_compared_by() -> None:
    for key, column in columns.PATHS.items():
        if column.better is not None:
            higher = key.removesuffix("_A").removesuffix("_B") in HIGHER
            assert column.better == ("higher" if higher else "lower"), key


def test_every_judged_metric_has_a_column_with_a_description() -> None:
    assert set(JUDGED) <= set(columns.PATHS)
    assert all(columns.PATHS[key].about for key in (*columns.REAL, *columns.CLASSES, *columns.SHAPE))
