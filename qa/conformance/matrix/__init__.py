"""The matrix client x feature: every cell is asked directly of the upstream and through the gateway, and compared.

usage: python -m qa.conformance --only matrix [--clients NAME,...]

clients       the clients: their packages, pinned, and their programs in `drivers`
environments  an environment of its own for each, from PyPI or npm, in a cache outside the repository
features      the features: which operation, of which model
driver        a client's program as a child process: question in, result out
cells         asks both ways, and tells what the two results differ in
compare       names the differences of two JSON values
run           all cells of all clients, as outcomes
table         the printed matrix, with versions
"""
