"""Dashboard at /ui: static files and the routes that serve them.

    pages     routes, security headers, caching

The folder static holds the files: plain ES modules without a build step, and third-party code with its licence in
static/vendor. They hold no data. The page calls the same public endpoints as any client (`/v1/…`), with the key typed
in at sign-in.
"""
