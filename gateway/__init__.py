"""The service: an OpenAI-compatible gateway around the routing library."""
