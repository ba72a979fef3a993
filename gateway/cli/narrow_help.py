"""Help in narrow terminals: plain text with whole option names.

Typer's tables shorten names that do not fit (`--budg…`), and nobody can type those.
"""

import shutil
from typing import Any

NARROW = 80
"""Columns below which tables shorten names."""

OTHER_COLUMNS = 60
"""Columns of a table beside those with names: frame, type, and a description that is not a column of single words."""


class HangingLists:
    """Formatter whose descriptions begin near the margin, below longer names; for a base class of click's."""

    width: int

    def write_dl(self, rows: Any, col_max: int = 30, col_spacing: int = 2) -> None:
        """Write pairs of name and description."""
        super().write_dl(rows, min(col_max, self.width // 5), col_spacing)  # type: ignore[misc]


def use_plain_help(group: Any, ctx: Any) -> None:
    """Let a group and its commands print plain help where a table is too wide. Call it before arguments are parsed."""
    columns = shutil.get_terminal_size().columns
    narrow = [command for command in (group, *_commands_of(group)) if columns < _table_columns(command)]
    if not narrow:
        return
    formatter = type("NarrowFormatter", (HangingLists, ctx.formatter_class), {})
    # Lines of plain help have 50 columns at least, without a width of the context's.
    context = type("NarrowContext", (type(ctx),), {"formatter_class": formatter})
    for command in narrow:
        command.rich_markup_mode, command.context_class = None, context
        command.context_settings = {**command.context_settings, "terminal_width": columns}
    if group in narrow:
        ctx.formatter_class, ctx.terminal_width = formatter, columns


def _table_columns(command: Any) -> int:
    """Return the columns that a table of options needs. Short names and opposites have columns of their own."""
    kinds = (
        [name for one in command.params for name in one.opts if name.startswith("--")],
        [name for one in command.params for name in one.opts if not name.startswith("--")],
        [name for one in command.params for name in one.secondary_opts],
    )
    return max(NARROW, OTHER_COLUMNS + sum(max(map(len, names), default=0) for names in kinds))


def _commands_of(group: Any) -> list[Any]:
    """Return all commands below a group. Typer makes them anew for every call of the program."""
    below = list(getattr(group, "commands", {}).values())
    return [*below, *(one for command in below for one in _commands_of(command))]
