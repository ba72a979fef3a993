"""The sample of a large benchmark's inputs: small datasets whole, the others equally, the same every time."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from routing.arrays import sum_groups
from routing.input_sample import sample_inputs


@given(sizes=st.lists(st.integers(0, 60), min_size=1, max_size=12), most=st.integers(1, 200), seed=st.integers(0, 3))
def test_datasets_share_the_sample_equally_and_small_ones_are_whole(sizes: list[int], most: int, seed: int) -> None:
    ids = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.int64)
    found = sample_inputs(ids, len(sizes), most)
    drawn = [len(rows) for rows in found]
    for dataset, rows in enumerate(found):
        assert (ids[rows] == dataset).all()
        assert (np.diff(rows) > 0).all()
    # Of every dataset something, even where there are more datasets than the sample has inputs.
    assert sum(drawn) <= max(most, sum(size > 0 for size in sizes))
    assert all(n > 0 for n, size in zip(drawn, sizes, strict=True) if size)
    level = max(drawn)
    assert drawn == [min(size, level) for size in sizes]
    if sum(sizes) > most >= len(sizes):
        assert sum(min(size, level + 1) for size in sizes) > most, "one more of each would be too many"
    for one, two in zip(found, sample_inputs(ids, len(sizes), most), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_benchmark_as_small_as_the_sample_is_whole() -> None:
    ids = np.array([1, 0, 1, 1, 2])
    assert [rows.tolist() for rows in sample_inputs(ids, 4, 5)] == [[1], [0, 2, 3], [4], []]


@given(
    n=st.integers(0, 300),
    width=st.integers(1, 30),
    n_groups=st.integers(1, 5),
    is_single=st.booleans(),
    seed=st.integers(0, 5),
)
def test_sums_of_groups_are_those_of_one_addition_after_another(
    n: int, width: int, n_groups: int, is_single: bool, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(n, width)).astype(np.float32 if is_single else np.float64)
    groups = generator.integers(n_groups, size=n)
    expected = np.zeros((n_groups, width))
    np.add.at(expected, groups, values)
    np.testing.assert_array_equal(sum_groups(values, groups, n_groups), expected)
    # A selection of columns is stored by column: the order of additions must not follow that.
    np.testing.assert_array_equal(sum_groups(np.asfortranarray(values), groups, n_groups), expected)
