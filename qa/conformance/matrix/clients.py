"""The clients: their packages, pinned, and their programs in `qa/conformance/drivers`."""

from dataclasses import dataclass
from typing import Literal

from qa.conformance.upstream.models import MODEL

Registry = Literal["pypi", "npm", "source"]


@dataclass(frozen=True, slots=True)
class Package:
    """Packages of one environment.

    Attributes:
        environment: name of the folder.
        registry: where the packages come from; "source": nothing is installed, the requests are taken from it.
        pins: requirements with versions, as pip and npm write them. The first names the client's version.
    """

    environment: str
    registry: Registry
    pins: tuple[str, ...]

    @property
    def version(self) -> str:
        """Name and version of the first package."""
        name, _, version = self.pins[0].replace("==", "@").rpartition("@")
        return f"{name.partition('[')[0]} {version}"


@dataclass(frozen=True, slots=True)
class Client:
    """A client.

    Attributes:
        name: column of the matrix.
        packages: its environment.
        program: module in `drivers`, or script in `drivers/node`.
        model: the name that it asks for in place of the plain one; some clients act by a model's name.
    """

    name: str
    packages: Package
    program: str
    model: str = MODEL


def _pypi(environment: str, *pins: str) -> Package:
    return Package(environment, "pypi", pins)


def _npm(environment: str, *pins: str) -> Package:
    return Package(environment, "npm", pins)


OPENAI = _pypi("openai-python", "openai==3.57.0")
ANTHROPIC = _pypi("anthropic-python", "anthropic==2.14.0")
AGENTS = _pypi("openai-agents", "openai-agents==0.24.0")
LLAMA_INDEX = _pypi("llama-index", "llama-index-llms-openai-like==0.8.1", "llama-index-embeddings-openai-like==0.4.0")
PYDANTIC_AI = _pypi("pydantic-ai", "pydantic-ai-slim[openai,anthropic]==2.68.0")
INSTRUCTOR = _pypi("instructor", "instructor==1.17.0")
LANGCHAIN = _pypi("langchain-python", "langchain-openai==1.7.4", "langchain-anthropic==1.7.10")
LITELLM = _pypi("litellm-sdk", "litellm==1.110.2")
OPENAI_NODE = _npm("openai-node", "openai@6.49.0")
ANTHROPIC_NODE = _npm("anthropic-node", "@anthropic-ai/sdk@1.14.0")
PROVIDERS = ("@ai-sdk/openai@3.0.141", "@ai-sdk/anthropic@3.0.140", "@ai-sdk/openai-compatible@2.0.92")
AI_SDK = _npm("ai-sdk", "ai@6.0.326", *PROVIDERS, "zod@4.6.7")
LANGCHAIN_NODE = _npm("langchain-node", "@langchain/openai@1.5.8", "@langchain/core@1.4.0", "zod@4.6.7")
AGENTS_NODE = _npm("openai-agents-node", "@openai/agents@0.20.0", "zod@4.6.7")

CLAUDE_CODE = _npm("claude-code", "@anthropic-ai/claude-code@2.1.197")
CODEX = _npm("codex", "@openai/codex@0.171.0")
CLINE = _npm("cline", "cline@3.0.65")
CONTINUE = _npm("continue", "@continuedev/cli@1.5.47")
OPENCODE = _npm("opencode", "opencode-ai@1.18.33")
QWEN_CODE = _npm("qwen-code", "@qwen-code/qwen-code@0.15.10")
AIDER = _pypi("aider", "aider-chat==0.86.2")

OPEN_WEBUI = Package("open-webui", "source", ("open-webui==0.12.4",))

CLAUDE = "claude-conformance"
AGENT = "coding_agents"
RECORDED = "recorded_requests"
CLIENTS = (
    Client("openai", OPENAI, "openai_sdk"),
    Client("openai async", OPENAI, "openai_async"),
    Client("AzureOpenAI", OPENAI, "azure_openai"),
    Client("anthropic", ANTHROPIC, "anthropic_sdk", CLAUDE),
    Client("openai-agents", AGENTS, "openai_agents"),
    Client("LangChain", LANGCHAIN, "langchain"),
    Client("LangChain Anthropic", LANGCHAIN, "langchain_anthropic", CLAUDE),
    Client("LlamaIndex", LLAMA_INDEX, "llama_index"),
    Client("Pydantic AI", PYDANTIC_AI, "pydantic_ai_openai"),
    Client("Pydantic AI Anthropic", PYDANTIC_AI, "pydantic_ai_anthropic", CLAUDE),
    Client("instructor", INSTRUCTOR, "instructor_sdk"),
    Client("litellm", LITELLM, "litellm_sdk"),
    Client("openai Node", OPENAI_NODE, "openai.mjs"),
    Client("anthropic Node", ANTHROPIC_NODE, "anthropic.mjs", CLAUDE),
    Client("AI SDK openai", AI_SDK, "ai_sdk_openai.mjs"),
    Client("AI SDK openai responses", AI_SDK, "ai_sdk_responses.mjs"),
    Client("AI SDK anthropic", AI_SDK, "ai_sdk_anthropic.mjs", CLAUDE),
    Client("AI SDK compatible", AI_SDK, "ai_sdk_compatible.mjs"),
    Client("LangChain Node", LANGCHAIN_NODE, "langchain.mjs"),
    Client("openai-agents Node", AGENTS_NODE, "openai_agents.mjs"),
    Client("Claude Code", CLAUDE_CODE, AGENT),
    Client("Codex CLI", CODEX, AGENT),
    Client("Cline", CLINE, AGENT),
    Client("Continue", CONTINUE, AGENT),
    Client("opencode", OPENCODE, AGENT),
    Client("Qwen Code", QWEN_CODE, AGENT),
    Client("aider", AIDER, AGENT),
    Client("Open WebUI (recorded)", OPEN_WEBUI, RECORDED),
)
