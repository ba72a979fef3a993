"""Endpoints that are passed through: the backend's status and body as they are, with keys, limits and accounting.

endpoints      the table of endpoints: method, path, and what chooses the backend
target         the models and the backends that a request may go to
form           the `model` field of a multipart form, found in a stream
bodies         bodies of requests: none, JSON, and forms that are never held whole
asking         the attempts of a request, as the failover plan says
upload         a request on its way to one backend
relay          its response on the way back
usage          the usage that a response reports
capture        what was said, for the request log
answer         one request from its head to the last byte of its response

The request path's own parts do the rest: authentication, quotas, failover, breakers, accounting.
"""
