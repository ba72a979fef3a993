"""Child processes, and settings of the own process.

supervised_process  a program that is restarted when it exits
priority            lower priority for the scorer's process
malloc              glibc's allocator, set up for bodies of 100 KB
startup             set-up that every scorer process shares: logging, signals, libraries
"""
