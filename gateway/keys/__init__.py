"""API keys: authentication, keys created while the gateway runs, and quotas.

auth         authentication of clients and admins
host_check   requests of other sites' pages, where clients need no key
client_keys  clients' keys: those of the configuration, and those created over HTTP
key_set      all keys, by name and in the order of lists
key_records  a client's key, read from the configuration or the state
secret_uses  last use of each secret
quotas       rate limits and budgets of a key
"""
