"""Records of tasks that the request path and the state share: templates of system prompts, names and targets."""

import msgspec


class StoredTemplate(msgspec.Struct, frozen=True, array_like=True):
    """A template of system prompts (gateway.tasks.prompt_template), in hashes.

    Attributes:
        key: name of the client's key, empty without one.
        task: its task.
        tools: digest of the names of tools.
        words: prompts that have each word, by the word's hash.
        seen: number of prompts in `words`.
        forms: digests of masked prompts.
        label: first words of the template; None where texts are not kept.
        used_at: Unix time in seconds.
        base: revision of the shared templates that its first gateway knew.
        born: revision in which it was shared first; 0 where the store is not shared.
    """

    key: str
    task: str
    tools: bytes
    words: dict[int, int]
    seen: int
    forms: tuple[bytes, ...]
    label: str | None
    used_at: float
    base: int = 0
    born: int = 0


class TemplatePlace(msgspec.Struct, frozen=True):
    """A place in the order in which templates were stored.

    Attributes:
        revision: of the last one; 0 before the first, and where the store is not shared.
        life: of the store's data: another one where it was emptied meanwhile.
    """

    revision: int = 0
    life: str = ""


class TaskEntry(msgspec.Struct, frozen=True, array_like=True):
    """What an operator has set of a task: its display name, or the task that its requests go to.

    Attributes:
        task: its ID.
        name: shown in place of the ID; None for none.
        merged_into: ID of the task that it was merged into; None for none.
        at: Unix time in seconds.
        changed_by: name of the admin; None without authentication, and where gateways merged two ids of one template.
    """

    task: str
    name: str | None = None
    merged_into: str | None = None
    at: float = 0.0
    changed_by: str | None = None
