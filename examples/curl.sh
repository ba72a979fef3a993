#!/usr/bin/env bash
# The gateway with curl: raw requests and responses.
set -euo pipefail

url=${BENCHROUTE_URL:-http://127.0.0.1:8100}
key=${BENCHROUTE_API_KEY:-none-needed-while-the-gateway-has-no-keys}
ask() { curl -sS --fail-with-body --max-time 60 -H "authorization: Bearer $key" -H 'content-type: application/json' "$@"; }

echo "# a request with its task in a header; -i shows the response headers"
ask -i "$url/v1/chat/completions" -H 'x-task-id: examples/arithmetic' \
    -d '{"model": "auto", "messages": [{"role": "user", "content": "What is 17 times 23?"}]}'

echo; echo "# a stream with its task in the model name"
ask -N "$url/v1/chat/completions" \
    -d '{"model": "task/examples/arithmetic", "stream": true, "messages": [{"role": "user", "content": "What is 1200 divided by 16?"}]}'

echo "# the configured models"
ask "$url/v1/models"

echo; echo "# readiness"
ask "$url/health/ready"
echo
