"""Options that mean something together, or that several commands take, as one dataclass in place of many parameters."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from typing import Any

Command = Callable[..., None]


def with_option_groups(command: Command) -> Command:
    """Let a command take dataclasses of options: on the command line, each of their fields is an option.

    A field is declared as a parameter is: `limit: Annotated[int, typer.Option(help=…)] = 50`.
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: one.annotation for name, one in signature.parameters.items() if is_dataclass(one.annotation)
    }
    parameters = [
        parameter
        for one in signature.parameters.values()
        for parameter in (_parameters_of(one.annotation) if one.name in groups else (one,))
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        values = {
            name: group(**{one.name: given.pop(one.name) for one in fields(group)}) for name, group in groups.items()
        }
        command(**given, **values)

    # typer reads both.
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]  # inspect's protocol
        parameters=[one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    )
    return run


def _parameters_of(group: Any) -> Iterator[inspect.Parameter]:
    one: Field[Any]
    for one in fields(group):
        default = inspect.Parameter.empty if one.default is MISSING else one.default
        yield inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=one.type)
