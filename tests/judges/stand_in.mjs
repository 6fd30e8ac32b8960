// Anthropic's TypeScript package as a client of our stand-in. Usage: node stand_in.mjs URL, in a directory where it is installed.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";
import process from "node:process";
import { isDeepStrictEqual } from "node:util";

const require = createRequire(process.cwd() + "/");
const { default: Anthropic } = await import(pathToFileURL(require.resolve("@anthropic-ai/sdk")).href);

const url = process.argv[2];
const client = new Anthropic({ apiKey: "key", baseURL: url });
const view = { name: "view", description: "Shows.", input_schema: { type: "object", properties: { path: { type: "string" } } } };
const list = { name: "list", description: "Lists.", input_schema: { type: "object", properties: {} } };
let checks = 0;

function expect(condition, what) {
  checks += 1;
  if (!condition) {
    console.error(`the TypeScript package disagrees: ${what}`);
    process.exit(1);
  }
}

const base = (text) => ({
  model: "claude-sonnet-5-5",
  max_tokens: 1000,
  thinking: { type: "adaptive", display: "summarized" },
  tools: [view, list],
  messages: [{ role: "user", content: text }],
});
const streamed = (params, options) => client.messages.stream(params, options).finalMessage();
const textOf = (message) => message.content.filter((block) => block.type === "text").map((block) => block.text).join("");

async function fails(name, kind, options) {
  try {
    await streamed(base(name), options);
  } catch (error) {
    expect(error instanceof kind, `${name}: ${error.constructor.name} and not ${kind.name}: ${error.message}`);
    return error;
  }
  expect(false, `${name}: there was an answer`);
}

for (const [name, stop] of [
  ["[text]", "end_turn"],
  ["[refusal]", "refusal"],
  ["[pause_turn]", "pause_turn"],
  ["[stop_sequence]", "stop_sequence"],
  ["[window]", "model_context_window_exceeded"],
  ["[splitUtf8]", "end_turn"],
  ["[unknownEvent]", "end_turn"],
  ["[slow]", "end_turn"],
  ["[tools]", "tool_use"],
]) {
  const message = await streamed(base(name));
  expect(message.stop_reason === stop, `${name}: ${message.stop_reason}`);
  const plain = await client.messages.create(base(name));
  const [one, other] = [plain, message].map((answer) => JSON.stringify(answer.content));
  expect(isDeepStrictEqual(JSON.parse(one), JSON.parse(other)), `${name}: streamed and plain are the same: ${one} ${other}`);
}

const params = base("[tools]");
let rounds = 0;
let message;
for (;;) {
  message = await streamed(params);
  rounds += 1;
  const calls = message.content.filter((block) => block.type === "tool_use");
  if (calls.length === 0) break;
  params.messages.push({ role: "assistant", content: message.content });
  params.messages.push({ role: "user", content: calls.map((call) => ({ type: "tool_result", tool_use_id: call.id, content: "42" })) });
}
expect(rounds === 3 && textOf(message) === "Both say 42.", `the loop took ${rounds} rounds`);

for (const name of ["[429-once]", "[hangUp-once]", "[429-bare]"]) {
  // The stand-in counts faults by conversation, so this one differs from that of the Python package.
  const once = base(`${name} typescript`);
  expect(textOf(await streamed(once)).length > 0, `${name} is asked again`);
}
await fails("[429] ts", Anthropic.RateLimitError);
expect((await fails("[529] ts", Anthropic.InternalServerError)).status === 529, "overloaded");
await fails("[500] ts", Anthropic.InternalServerError);
await fails("[no-retry] ts", Anthropic.InternalServerError);
await fails("[402] ts", Anthropic.APIError);
await fails("[hangUp] ts", Anthropic.APIConnectionError);
await fails("[late] ts", Anthropic.APIConnectionTimeoutError, { timeout: 500, maxRetries: 0 });
await fails("[errorEvent] ts", Anthropic.APIError);
await fails("[cut] ts", Anthropic.AnthropicError);
const counted = await client.messages.countTokens({ model: "claude-sonnet-5-5", messages: [{ role: "user", content: "one two" }] });
expect(counted.input_tokens > 0, "tokens are counted");
let models = 0;
for await (const model of client.models.list({ limit: 3 })) {
  expect(model.max_input_tokens > 0, model.id);
  models += 1;
}
expect(models > 5, "pages of models follow each other");
const version = JSON.parse(readFileSync("node_modules/@anthropic-ai/sdk/package.json", "utf8")).version;
console.log(`TypeScript package ${version}: ${checks} checks`);
