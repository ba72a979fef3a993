"""Measurements. Programs: nothing in the product imports them.

speed          CPU per request, compared with nginx and LiteLLM's proxy
hot_path       CPU per request without sockets, of one checkout or of two
scoring        cost of embedders and of the scorer
indexing       index backends by size: build, load, search, recall
admin          latency of the admin and task API with many tasks, and of requests beside it
request_log    pages, space and cost of the request log at a million requests
growth         growth of calibration, report and evaluation with the number of inputs
replay         the command of `replaying`
replaying      recorded benchmark results through a gateway, checked against the library
sampling       savings and cost of adaptive sampling
learning       value of labels and of feedback
new_model      accuracy of columns that are imputed from few outcomes
lm_eval_run    lm-evaluation-harness against a gateway
list_prices    the shipped price list, from litellm's
screenshots    the dashboard's pictures for the documentation
screenshot_traffic  traffic and keys of the gateways in them
"""
