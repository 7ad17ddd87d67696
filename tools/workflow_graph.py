"""A ComfyUI workflow as its front end saves it: nodes from the schemas, links, columns side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from helpers.stub_api import Input, Widget
from helpers.stub_host import StubHost

TOP, LEFT = 60, 20
GAP = 60
"""Between nodes of a column, the height of a title included."""

EXTRA_HEIGHT = {
    "DittoTalkingHead": 420,
    "DittoLoadAvatar": 390,
    "DittoLoadEngine": 70,
    "DittoFrameControl": 150,
    "DittoFramesToVideo": 270,
    "DittoSuperRes": 80,
    "SaveVideo": 470,
}
"""Room for the pictures and notices that a node shows while it runs and afterwards."""

WIDTHS = {"DittoFramesToVideo": 320, "SaveVideo": 430, "MarkdownNote": 360}
WIDTH = 320


@dataclass(frozen=True)
class Port:
    """A socket or widget as the front end saves it."""

    name: str
    type: str
    is_widget: bool = False
    optional: bool = False
    default: Any = None
    has_control: bool = False


CORE: dict[str, tuple[tuple[Port, ...], tuple[Port, ...]]] = {
    "SaveVideo": (
        (
            Port("video", "VIDEO"),
            Port("filename_prefix", "STRING", True),
            Port("format", "COMBO", True, default="auto"),
            Port("codec", "COMBO", True, default="auto"),
        ),
        (),
    ),
    "MarkdownNote": ((), ()),
}
"""Inputs and outputs of ComfyUI's own nodes that are used."""


@dataclass
class Node:
    """One node of a graph."""

    id: int
    type: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    given: dict[str, Any]
    title: str = ""
    pos: tuple[int, int] = (0, 0)
    text: str = ""

    @property
    def values(self) -> dict[str, Any]:
        """Widgets in order with their values, `control_after_generate` among them."""
        values: dict[str, Any] = {}
        for port in self.inputs:
            if port.is_widget:
                values[port.name] = self.given.get(port.name, port.default)
                if port.has_control:
                    values["control_after_generate"] = "fixed"
        return values

    @property
    def size(self) -> tuple[int, int]:
        if self.text:
            lines = sum(1 + len(line) // 44 for line in self.text.splitlines())
            return WIDTHS[self.type], (60 + 16 * lines + 9) // 10 * 10
        sockets = sum(not port.is_widget for port in self.inputs)
        rows = 20 * max(sockets, len(self.outputs)) + 24 * len(self.values)
        height = 30 + rows + EXTRA_HEIGHT.get(self.type, 0)
        return WIDTHS.get(self.type, WIDTH), (height + 9) // 10 * 10

    @property
    def bottom(self) -> int:
        return self.pos[1] + self.size[1]

    def output(self, name: str) -> Output:
        return Output(self, [port.name for port in self.outputs].index(name))


@dataclass(frozen=True)
class Output:
    """What a link starts from."""

    node: Node
    slot: int


@dataclass
class Graph:
    """Nodes that are added in an order in which they can run."""

    host: StubHost
    nodes: list[Node] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, *, title: str = "", **given: Any) -> Node:
        """A node with links (`Output`) and widgets' values; an input it lacks is a `KeyError`."""
        inputs, outputs = CORE[kind] if kind in CORE else self._ports(kind)
        unknown = set(given) - {port.name for port in inputs}
        if unknown:
            raise KeyError(f"{kind} has no input {', '.join(sorted(unknown))}")
        self.nodes.append(Node(len(self.nodes) + 1, kind, inputs, outputs, given, title))
        return self.nodes[-1]

    def note(self, text: str) -> Node:
        node = self.add("MarkdownNote", title="Read me")
        node.text = text
        return node

    def group(self, title: str, nodes: Sequence[Node], colour: str) -> None:
        """A frame around nodes that are in place."""
        left, top = min(node.pos[0] for node in nodes), min(node.pos[1] for node in nodes)
        right = max(node.pos[0] + node.size[0] for node in nodes)
        bottom = max(node.bottom for node in nodes)
        self.groups.append(
            {
                "id": len(self.groups) + 1,
                "title": title,
                "bounding": [left - 20, top - 60, right - left + 40, bottom - top + 80],
                "color": colour,
                "font_size": 24,
                "flags": {},
            }
        )

    def saved(self) -> dict[str, Any]:
        """The graph as the front end saves it."""
        links: list[list[Any]] = []
        for node in self.nodes:
            sockets = [port for port in node.inputs if isinstance(node.given.get(port.name), Output)]
            for port in sockets:
                start: Output = node.given[port.name]
                slot = node.inputs.index(port)
                links.append([len(links) + 1, start.node.id, start.slot, node.id, slot, port.type])
        return {
            "revision": 0,
            "last_node_id": len(self.nodes),
            "last_link_id": len(links),
            "nodes": [_saved_node(node, order, links) for order, node in enumerate(self.nodes)],
            "links": links,
            "groups": self.groups,
            "config": {},
            "extra": {"ds": {"scale": 0.6, "offset": [60, 110]}},
            "version": 0.4,
        }

    def _ports(self, kind: str) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
        schema = self.host.nodes[kind].define_schema()
        outputs = tuple(Port(output.display_name, output.io_type) for output in schema.outputs)
        inputs = [_port(wanted) for wanted in schema.inputs]
        # The order in which the front end makes them.
        return tuple(sorted(inputs, key=lambda port: (port.is_widget, port.optional))), outputs


def lay_out(rows: Sequence[Sequence[Sequence[Node]]]) -> None:
    """Put the nodes of rows of columns in place; a column begins at the same x in every row."""
    top = TOP
    for row in rows:
        for nodes in row:
            y = top
            for node in nodes:
                node.pos = (0, y)
                y = node.bottom + GAP
        top = max(node.bottom for nodes in row for node in nodes) + 2 * GAP
    x = LEFT
    for number in range(max(map(len, rows))):
        nodes = [node for row in rows for node in row[number]]
        for node in nodes:
            node.pos = (x, node.pos[1])
        x += max(node.size[0] for node in nodes) + GAP if nodes else 0


def _port(wanted: Input) -> Port:
    is_widget = isinstance(wanted, Widget)
    return Port(
        wanted.id,
        wanted.io_type,
        is_widget,
        wanted.optional,
        wanted.default if isinstance(wanted, Widget) else None,
        bool(getattr(wanted, "control_after_generate", None)),
    )


def _saved_node(node: Node, order: int, links: Sequence[Sequence[Any]]) -> dict[str, Any]:
    entered = {link[4]: link[0] for link in links if link[3] == node.id}
    left: dict[int, list[int]] = {}
    for link in links:
        if link[1] == node.id:
            left.setdefault(link[2], []).append(link[0])
    saved: dict[str, Any] = {
        "id": node.id,
        "type": node.type,
        "pos": list(node.pos),
        "size": list(node.size),
        "flags": {},
        "order": order,
        "mode": 0,
        "inputs": [_saved_input(port, entered.get(slot)) for slot, port in enumerate(node.inputs)],
        "outputs": [
            {"localized_name": port.name, "name": port.name, "type": port.type, "links": left.get(slot)}
            for slot, port in enumerate(node.outputs)
        ],
        **({"title": node.title} if node.title else {}),
        "properties": {} if node.text else {"Node name for S&R": node.type},
    }
    if node.text:
        saved |= {"widgets_values": [node.text], "color": "#222", "bgcolor": "#000"}
    elif node.values:
        saved["widgets_values"] = list(node.values.values())
    return saved


def _saved_input(port: Port, link: int | None) -> dict[str, Any]:
    saved: Mapping[str, Any] = {"localized_name": port.name, "name": port.name}
    shape = {"shape": 7} if port.optional and not port.is_widget else {}
    widget = {"widget": {"name": port.name}} if port.is_widget else {}
    return {**saved, **shape, "type": port.type, **widget, "link": link}
