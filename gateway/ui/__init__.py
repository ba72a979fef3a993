"""The dashboard at /ui: static files, and the routes that serve them.

    pages     the routes, with their security headers
    static    plain ES modules without a build step; vendor/ holds what others made, with its licence

The page itself holds no data. It asks the same endpoints as anybody (`/v1/…`), with the key that is typed in.
"""
