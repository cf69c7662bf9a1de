from __future__ import annotations

import pytest

from gateway.batches import BRIEF_HOLD_MS, BRIEF_SMALLEST, FEW, HOLD_MS, SMALLEST, BatchSize


def settled(held_per_item: float, waiting: int) -> BatchSize:
    """The size at which batches settle whose items hold the store for so many milliseconds each."""
    size = BatchSize(256)
    for _ in range(50):
        size.wrote(size.limit * held_per_item, waiting)
    return size


@pytest.mark.parametrize(("waiting", "longest"), [(0, BRIEF_HOLD_MS), (FEW, BRIEF_HOLD_MS), (FEW + 1, HOLD_MS)])
def test_batch_holds_the_writer_briefly_while_few_wait_and_longer_behind_a_backlog(
    waiting: int, longest: float
) -> None:
    held = settled(0.15, waiting).limit * 0.15
    assert longest / 2 * 0.95 <= held <= longest


def test_batch_of_dear_items_is_never_smaller_than_the_smallest() -> None:
    assert settled(100.0, 0).limit == BRIEF_SMALLEST
    assert settled(100.0, FEW + 1).limit == SMALLEST


def test_batch_grows_at_once_when_a_backlog_begins() -> None:
    size = settled(100.0, 0)
    size.wrote(15.0, FEW + 1)
    assert size.limit == SMALLEST


def test_batch_grows_back_to_the_largest_where_nothing_is_held() -> None:
    size = settled(100.0, FEW + 1)
    for _ in range(30):
        size.wrote(0.0, 0)
    assert size.limit == 256


def test_batch_that_failed_is_halved_and_doubles_with_what_goes_through() -> None:
    size = BatchSize(256)
    size.failed(100)
    limits = [size.limit]
    for _ in range(3):
        size.wrote(0.0, 0)
        limits.append(size.limit)
    assert limits == [50, 100, 200, 256]
    size.failed(1)
    assert size.limit == 1
