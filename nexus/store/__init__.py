"""Stores: what a node needs to find again after a crash.

`SqliteStore` keeps it on a disk, `MemoryStore` in a `MemoryDisk` that survives simulated crashes.
Both run the same conformance suite; the contract stands in `nexus.driver.ports.Store`.
"""
