"""Usage and cost of requests.

ledger      cost by key, task and day
history     minutes and hours of each series, before they are stored
history_counts  numbers of one minute or hour, and their encoding
prices      price of a model, and the cost of a response
sorted_names  names in order, for pages of long lists
timeseries  the last hours by minute, as the dashboard draws them
"""
