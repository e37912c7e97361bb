"""Every interleaving of the real core in small worlds; see `simulator.explore.search`."""
