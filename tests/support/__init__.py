"""The test kit: a started daemon, the BNG client's twin, strict decoders.  Code, with own tests."""
