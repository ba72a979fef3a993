"""Processes: how they are set up, ranked and kept running.

startup             logging, signals and malloc of every process
malloc              mallopt tuning
priority            niceness
supervised_process  process supervisor
"""
