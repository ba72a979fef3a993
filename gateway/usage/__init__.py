"""Usage and cost of requests.

ledger      cost by key, task and day
prices      price of a model, and the cost of a response
sorted_names  names in order, for pages of long lists
timeseries  the last hours by minute, as the dashboard draws them
"""
