"""Configuration of `nexus serve`: keys, values, rules between them, and where they come from."""
