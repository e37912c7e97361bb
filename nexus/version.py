"""The version of this tree, in one place."""

VERSION = "0.1.0"
