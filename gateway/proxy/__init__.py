"""The request path: one request from its first byte to its response's last.

protocol           the socket entrance (httptools), which feeds exchanges without a task
idle_timer         a connection between two requests
asgi_adapter       the ASGI entrance, which feeds the same exchanges
head_cache         request heads that a client sends again
socket_writer      responses on a socket
exchange           the state machine of a request
exchange_state     its states, and the table of their transitions
deadlines          deadlines of all requests, by one timer
inflight           requests of the management API, for a shutdown
pipeline           the steps from a request to its route
task_target        task, session and models of a request
prompt_task        the task of a system prompt
content_size       text and media of a conversation
capabilities       models that can answer a request
exploration        the share of requests that goes to other candidates
session_affinity   conversations that stay on their model and backend
continuation       requests that continue a response or conversation
response_cache     exact-match response cache
upstream_attempts  the attempts of a request at backends, by its failover plan
upstream_call      their responses, until one of them answers
whole_answers      whether a whole response is an answer
stream_start       a stream until it says something
stream_opening     what it has said so far
stream_relay       a stream on its way to the client
stream_inspector   a stream's events, usage and end
error_reader       a backend's error, read to its end
backend_errors     a backend's error for the client: the last word
usage_estimate     tokens of a response that reports none
responses          headers of responses and errors
record_columns     many records field by field: what accounting and the request log read
request_record     the record of a request, and its headers
body_capture       what a request and its response said, for the request log
log_rows           records of requests as rows of the request log
accounting         everything that is counted of a request
history_recorder   batches of them as samples of the history
access_log         the log's line of a request
recent_responses   index of responses that feedback can refer to
response_affinity  backends that made responses and conversations
passthrough        endpoints whose requests are passed through: images, audio, files and others

Nothing here embeds, searches, or waits for anything but the backend. Never imports routing or the scorer's side.
"""
