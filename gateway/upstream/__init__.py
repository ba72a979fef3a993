"""Backends: one contract, one module per kind, and one place where their ways of failing become ours.

interface        the contract of a backend
errors           the error tree, and the translation of foreign exceptions
openai_backend   any URL that speaks OpenAI's API
request_heads    target, key and headers of its requests
connection       HTTP/1.1 to a backend: responses
request_sender   its sending half
decoding         decompression of a backend's body
head_memory      the head of a connection's last response
tunnel           opening of connections: TCP, proxies, TLS
proxies          the proxy of a backend, from its settings or the environment
pool             connections that are kept open
litellm_backend  any provider that litellm supports
litellm_errors   its exceptions as a provider's errors
litellm_prices   the prices that litellm lists; these two are the only modules that use its package
factory          backends from a configuration
load_balancer    choice among a model's backends
breaker          per-backend circuit breaker
failover         the plan of a request through backends
retry            retry policy and budget
timeouts         timeouts of a request
"""
