"""The real world around a node: clocks, alarm, loop, listeners, start and stop."""
