"""Parse a nexus.yaml.  Imported only where there is one: without, a start does not need PyYAML."""

from __future__ import annotations

from collections.abc import Hashable

import yaml


def parse(data: bytes) -> object:
    """What the file holds; raises ValueError if that is not YAML, or deeper than can be read."""
    try:
        content: object = yaml.load(data, Loader=_Loader)  # a SafeLoader, see there
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error)) from None
    return content


class _Loader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys without a word; an operator should be told."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, object]:
        seen: list[object] = []
        for key_node, _value in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key} is written twice", key_node.start_mark
                )
            seen.append(key)
        return super().construct_mapping(node, deep)
