// The cost of an answer by its usage and the model's price, as the gateway computes it (gateway/usage/prices.py).

/**
 * Cost in US dollars; null without a price or usage. price: of GET /v1/models, US dollars per million tokens.
 * usage: of a chat completion.
 */
export function costOf(usage, price) {
  if (!usage || !price) return null;
  const { input, output, cached, written, reasoning } = tokensOf(usage);
  const long = price.long_context && input > price.long_context.above_tokens ? price.long_context : null;
  const rates = long ?? price;
  const rate = (name, fallback) => Number(rates[name] ?? rates[fallback]);
  return (input * rate("input_usd_per_mtok") + output * rate("output_usd_per_mtok")
    + cached * (rate("cached_input_usd_per_mtok", "input_usd_per_mtok") - rate("input_usd_per_mtok"))
    + written * (rate("cache_write_usd_per_mtok", "input_usd_per_mtok") - rate("input_usd_per_mtok"))
    + reasoning * (rate("reasoning_usd_per_mtok", "output_usd_per_mtok") - rate("output_usd_per_mtok"))) / 1e6;
}

/** Tokens of a usage object, all 0 where a count is impossible. Gemini and xAI count reasoning beside the completion. */
export function tokensOf(usage) {
  const input = tokens(usage.prompt_tokens);
  const given = usage.prompt_tokens_details;
  const completion = tokens(usage.completion_tokens);
  const output = Math.max(completion, tokens(usage.total_tokens) - input);
  const cached = Math.min(input, tokens(given?.cached_tokens ?? usage.prompt_cache_hit_tokens ?? usage.num_cached_tokens ?? usage.cached_tokens));
  const written = Math.min(input - cached, tokens(given?.cache_write_tokens ?? given?.cache_creation_tokens));
  const reasoning = Math.min(output, Math.max(tokens(usage.completion_tokens_details?.reasoning_tokens), output - completion));
  return { input, output, cached, written, reasoning };
}

const MAX_TOKENS = 1e8; // as the gateway: a larger count is an error of the backend's

const tokens = (value) => (Number.isInteger(value) && value > 0 && value <= MAX_TOKENS ? value : 0);
