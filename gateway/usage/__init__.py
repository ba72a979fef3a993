"""Usage and cost of requests.

ledger      cost by key, task and day
timeseries  the last hours by minute, as the dashboard draws them
"""
