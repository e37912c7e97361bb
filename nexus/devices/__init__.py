"""Devices: the edges that register themselves, and the sites that they serve in pairs."""
