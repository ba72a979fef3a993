// Use the gateway from OpenAI's client for Node: a task, a stream, and the response headers.
//
// npm install openai

import OpenAI from "openai";

const client = new OpenAI({
  baseURL: `${process.env.BENCHROUTE_URL ?? "http://127.0.0.1:8100"}/v1`,
  apiKey: process.env.BENCHROUTE_API_KEY ?? "none needed while the gateway has no keys",
  defaultHeaders: { "x-task-id": "examples/arithmetic" },
});

const { data: answer, response } = await client.chat.completions
  .create({ model: "auto", messages: [{ role: "user", content: "What is 17 times 23?" }] })
  .withResponse();
console.log("answer:", answer.choices[0].message.content);
console.log("model:", response.headers.get("x-benchroute-model"), "because of", response.headers.get("x-benchroute-reason"));

const stream = await client.chat.completions.create({
  model: "auto",
  messages: [{ role: "user", content: "What is 1200 divided by 16?" }],
  stream: true,
});
let text = "";
for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
console.log("stream:", text);
