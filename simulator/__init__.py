"""The simulator: the unchanged core and driver in a world that tries to kill the protocol."""
