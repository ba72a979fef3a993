"""What a request costs: this gateway, nginx as a plain proxy, and LiteLLM's proxy, side by side in one run.

    upstream.c, load.c   a backend that is never the bottleneck, and who asks; compiled when a run begins
    programs             starting, pinning and weighing processes
    targets              what is measured, and how each is configured
    loads                what is asked
    measure              rounds over targets and loads, interleaved
    report               table, figure, JSON

The figure is CPU time per request, user and system, of a target's processes: it is steadier on a busy machine than
requests per second. Targets run on core 0; the backend and the load, and what scores beside the gateway, on core 1.
"""
