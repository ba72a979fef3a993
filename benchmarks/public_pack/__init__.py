"""Build of the public pack, and the measurement of what it is worth.

sources.toml lists its sources, their terms, and how their names are read; teams.toml the sets of models that a team
might have.

sources   a source as a benchmark with the catalogue's names
compose   the sources as one benchmark, every model's versions in columns of their own
build     the pack, and the file that says where its outcomes come from
worth     gain on every held-out source
tables    that gain as Markdown
"""
