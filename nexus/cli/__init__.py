"""The command line: `nexus serve`, and operator commands that speak the REST API, one file a noun.

Nothing here is imported by the daemon.  Operator commands use the standard library's HTTP client
and import rich only to draw a table, so that a command answers in a fraction of a second.
"""
