"""CPU time per request of this gateway, nginx as a plain reverse proxy, and LiteLLM's proxy, in one interleaved run.

run       the command: `python -m benchmarks.speed`
targets   the programs that are compared, and their configurations
loads     the requests: sizes, connections, streaming
measure   a running target, and one sample of a load on it
rounds    rounds over targets and loads, interleaved; repeated while the machine is noisy
lag       the event loop's lag, from a gateway's metrics
stalls    a gateway that tells what held its event loop
instructions  instructions per request, by perf or valgrind
machine   the machine in words
programs  compiling, starting and pinning processes; their CPU time and memory
tls       TLS termination in front of the backend
pack      the pack that the gateway decides by
results   medians, ratios, JSON
report    tables and figure
errors    the reasons that a run or a part of it is impossible
workers   a program of its own: several workers on one port
inside    a program of its own: a profile of the request path without sockets
stages    a program of its own: instructions of a request by stage
fastest   a program of its own: the fastest Python on this machine

The backend (upstream.c) and the load generator (load.c) are C programs, compiled when a run begins. CPU time, user and
system, of a target's processes is steadier on a busy machine than requests per second. Targets run on core 0; the
backend, the load and the gateway's scorer on core 1.
"""
