"""Lines about a large pack."""

from gateway.cli.pack.index_summary import describe_sample


def test_the_number_of_inputs_that_a_pack_was_measured_on_is_told_where_it_is_not_all() -> None:
    assert describe_sample({}) == ""
    assert describe_sample({"sample": {"n_measured": 50_000, "n_inputs": 1_000_000}}) == (
        "calibration and gain are measured on 50,000 of 1,000,000 inputs, drawn from every dataset with a fixed seed"
    )
