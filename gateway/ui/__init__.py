"""Dashboard at /ui: static files and the routes that serve them.

    pages     routes, security headers, caching
    static/   plain ES modules without a build step; vendor/ holds third-party code with its licence

The files hold no data. The page calls the same public endpoints as any client (`/v1/…`), with the key typed in at
sign-in.
"""
