"""Benchmarks: every number stands beside a yardstick measured in the same run.

``python -m tests.bench`` (or ``make bench``) prints the tables and, with ``--out``, writes them as
markdown.  Absolute numbers belong to one machine; the ratios are what the project promises.
"""
