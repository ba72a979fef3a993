"""The admin and task API with many tasks: latency of first pages, and the wait of requests beside them.

fill      a state with many tasks, each with one scored input
upstream  a backend that answers at once, in a process of its own
chats     requests that go on beside the API calls, and how long they wait
run       one measurement: start, call every endpoint, mark what is beyond a limit
reload    a configuration with many tasks, read again beside running chats
"""
