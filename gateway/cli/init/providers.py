"""Who speaks OpenAI's API, and how they are recognised: by a variable that holds a key, or a port on this machine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """variable: of the environment, that holds the key; None where none is needed.

    models: offered where its own list cannot be had. speaks_messages: whether it answers Anthropic's /v1/messages too.
    """

    name: str
    base_url: str
    variable: str | None = None
    models: tuple[str, ...] = ()
    speaks_messages: bool = False

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine: all of its models are taken, for somebody has chosen them already."""
        return self.variable is None


HOSTED = (
    Provider("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", ("gpt-4o", "gpt-4o-mini")),
    Provider(
        "anthropic",
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
        ("claude-sonnet-4-5", "claude-haiku-4-5"),
        speaks_messages=True,
    ),
    Provider(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        ("gemini-2.5-pro", "gemini-2.5-flash"),
    ),
    Provider(
        "mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", ("mistral-large-latest", "mistral-small-latest")
    ),
    Provider("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", ("deepseek-chat", "deepseek-reasoner")),
    Provider(
        "groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", ("llama-3.3-70b-versatile", "llama-3.1-8b-instant")
    ),
    Provider("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", ("openrouter/auto",)),
)
"""In the order of the configuration. Prices are left out: they change, and `benchroute config prices` fills them in."""

LOCAL = (
    Provider("ollama", "http://127.0.0.1:11434/v1"),
    Provider("vllm", "http://127.0.0.1:8000/v1"),
    Provider("lmstudio", "http://127.0.0.1:1234/v1"),
    Provider("llamacpp", "http://127.0.0.1:8080/v1"),
    Provider("benchroute-demo", "http://127.0.0.1:8101/v1"),
)
"""The ports that these servers listen on unless they are told otherwise."""
