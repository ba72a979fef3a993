import tests.conftest  # noqa: F401 - the environment of every test
