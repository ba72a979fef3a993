"""Programs that run in an environment of a client's own: they ask, and print what the client saw as JSON.

Each reads questions from standard input, one JSON object a line, and writes one line for each. None of them judges:
`matrix` compares the answers. They import nothing of this project but `harness`.

harness        reads questions, calls an operation, writes its result or its exception
openai_sdk     openai for Python, synchronous
openai_async   openai for Python, asynchronous
azure_openai   openai for Python, AzureOpenAI
anthropic_sdk  anthropic for Python
openai_agents  OpenAI's Agents SDK
langchain_chat  operations of every chat model of LangChain's
langchain      ChatOpenAI, OpenAIEmbeddings
langchain_anthropic  ChatAnthropic
llama_index    LlamaIndex's OpenAILike and OpenAILikeEmbedding
pydantic_ai_chat  operations of Pydantic AI's agents
pydantic_ai_openai  Pydantic AI, OpenAI's models
pydantic_ai_anthropic  Pydantic AI, Anthropic's models
instructor_sdk  instructor
litellm_sdk    litellm's SDK
recorded_requests  Open WebUI's requests, as its source sends them
coding_agents  Claude Code, Codex, Cline, Continue, opencode, Qwen Code, aider
material       what all of them send
"""
