"""``python -m nexus``: the same as the command ``nexus``."""

from __future__ import annotations

from nexus.cli.main import main

if __name__ == "__main__":
    main()
