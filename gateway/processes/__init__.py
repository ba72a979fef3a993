"""Child processes, and settings of the own process.

supervised_process  a program that is restarted when it exits
priority            lower priority for the scorer's process
parent              a child process that ends with its parent
descriptors         the limit of open files, and what is done before it is reached
init_process        process 1 of a container
health              health check of a gateway
service_manager     messages to the service manager
startup             set-up of every process: logging, signals, allocator, environment of libraries
"""
