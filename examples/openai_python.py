"""Use the gateway from OpenAI's Python client: a task, a stream, a conversation, and the response headers.

pip install openai
"""

import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("BENCHROUTE_URL", "http://127.0.0.1:8100") + "/v1",
    api_key=os.environ.get("BENCHROUTE_API_KEY", "none needed while the gateway has no keys"),
)
task = {"x-task-id": "examples/arithmetic"}

# One request. with_raw_response returns the headers too.
raw = client.chat.completions.with_raw_response.create(
    model="auto", messages=[{"role": "user", "content": "What is 17 times 23?"}], extra_headers=task
)
answer = raw.parse()
print("answer:", answer.choices[0].message.content)
print("model:", raw.headers["x-benchroute-model"], "because of", raw.headers["x-benchroute-reason"])

# A stream.
stream = client.chat.completions.create(
    model="auto",
    messages=[{"role": "user", "content": "What is 1200 divided by 16?"}],
    stream=True,
    extra_headers=task,
)
print("stream:", "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices))

# Session affinity: a conversation keeps its model when the task's decision changes.
for turn in ("What is 5 plus 8?", "And twice that?"):
    raw = client.chat.completions.with_raw_response.create(
        model="auto",
        messages=[{"role": "user", "content": turn}],
        extra_headers={**task, "x-session-id": "examples-1"},
    )
    print("conversation:", raw.headers["x-benchroute-model"], "because of", raw.headers["x-benchroute-reason"])
