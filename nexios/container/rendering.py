"""Draws the wiring: text for diffs, Mermaid and DOT for pictures, JSON for programs."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from nexios.container.binding import Answer, Origin
from nexios.container.survey import Ask, Call, Part, Room, Survey, by_layer, by_room
from nexios.layers.rules import Layer
from nexios.records import dataclass

_NEUTRAL: Final = "no layer"
_FILL: Final[Mapping[Layer | None, str]] = {
    Layer.COMPOSITION: "#eceff1",
    Layer.HTTP: "#e3f2fd",
    Layer.WEBSOCKET: "#e0f7fa",
    Layer.APPLICATION: "#fff8e1",
    Layer.DOMAIN: "#e8f5e9",
    Layer.PERSISTENCE: "#f3e5f5",
    Layer.INFRASTRUCTURE: "#fbe9e7",
    None: "#fafafa",
}
_DOT_HEAD: Final = (
    "digraph wiring {",
    '  graph [rankdir=LR, fontname="Helvetica", labeljust=l, nodesep=0.2, ranksep=0.7]',
    '  node [fontname="Helvetica", fontsize=10, shape=box, style="filled,rounded"]',
    '  node [fillcolor="white", color="#546e7a", margin="0.12,0.06"]',
    '  edge [fontname="Helvetica", fontsize=9, color="#546e7a", arrowsize=0.7]',
)
_WORTH_SAYING: Final = (Origin.AUTOMATIC, Origin.FUNCTION, Origin.DECORATOR)
# Whatever Mermaid could read as its own syntax, as Markdown or as HTML goes in as a number.
_MERMAID: Final = re.compile(r"[^\w ./:,()=?'-]|__+|^[-+]|(?<=\d)[.)]")


class GraphView:
    """The wiring of a container, to be printed.

    The same wiring gives the same output in every process: no addresses, no absolute paths,
    values never, and what Nexios brings itself only where somebody asks for it.
    """

    def __init__(self, survey: Survey) -> None:
        """Made by ``Container.graph``."""
        self.survey = survey
        self._shared = Counter(part.title for part in survey.parts)

    def __str__(self) -> str:
        """Return the text."""
        return self.text()

    def text(self) -> str:
        """Return modules, layers, objects and what they ask for; without lines of files."""
        return "\n\n".join("\n".join(self._room(room)) for room in self.survey.rooms) + "\n"

    def mermaid(self) -> str:
        """Return a Mermaid flowchart: modules and layers as subgraphs, ports apart."""
        drawing = _drawn(self.survey)
        lines = ["flowchart LR"]
        for number, (room, boxes) in enumerate(drawing.rooms.items()):
            lines.append(f'  subgraph m{number}["{_mermaid(room)}"]')
            for layer, inside in _layered(boxes):
                name = f"m{number}_{_layer_id(layer)}"
                lines.append(f'    subgraph {name}["{_mermaid(_layer_name(layer))}"]')
                lines += [f"      {_mermaid_box(box)}" for box in inside]
                lines.append("    end")
                lines.append(f"    style {name} fill:{_FILL[layer]},stroke:#b0bec5")
            lines.append("  end")
            lines.append(f"  style m{number} fill:#ffffff,stroke:#78909c")
        for line in drawing.lines:
            arrow = "-.->" if line.dashed else "-->"
            label = f'|"{_mermaid(line.label)}"|' if line.label else ""
            lines.append(f"  {line.start} {arrow}{label} {line.end}")
        return "\n".join(lines) + "\n"

    def dot(self) -> str:
        """Return a Graphviz digraph with the same clusters: ``dot -Tsvg``."""
        drawing = _drawn(self.survey)
        lines = list(_DOT_HEAD)
        for number, (room, boxes) in enumerate(drawing.rooms.items()):
            lines.append(f"  subgraph cluster_m{number} {{")
            lines.append(f'    label="{_dot(room)}"; fontsize=15; style=rounded; color="#78909c"')
            for layer, inside in _layered(boxes):
                lines.append(f"    subgraph cluster_m{number}_{_layer_id(layer)} {{")
                label = _dot(_layer_name(layer))
                lines.append(f'      label="{label}"; fontsize=11; style="filled,rounded"')
                lines.append(f'      color="{_FILL[layer]}"')
                lines += [f"      {_dot_box(box)}" for box in inside]
                lines.append("    }")
            lines.append("  }")
        for line in drawing.lines:
            options = [f'label="{_dot(line.label)}"'] if line.label else []
            options += ["style=dashed", "arrowhead=empty"] if line.dashed else []
            tail = f" [{', '.join(options)}]" if options else ""
            lines.append(f"  {line.start} -> {line.end}{tail}")
        return "\n".join([*lines, "}"]) + "\n"

    def json(self) -> str:
        """Return everything as one JSON object: ``modules``, ``objects``, ``entries``."""
        parts = self.survey.parts
        document = {
            "version": 1,
            "modules": [_json_room(room) for room in self.survey.rooms],
            "objects": [_json_part(part, parts) for part in parts],
            "entries": [
                {
                    "label": call.label,
                    "module": call.room,
                    "scope": call.scope.value,
                    "asks": [_json_ask(ask, parts) for ask in call.asks],
                }
                for call in self.survey.calls
            ],
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    def _room(self, room: Room) -> Iterator[str]:
        yield f'module "{room.name}"' + (f"  layer {room.layer.value}" if room.layer else "")
        for word, names in (("includes", room.includes), ("exports", room.exports)):
            yield from (f"  {word} {name}" for name in names)
        calls = [call for call in self.survey.calls if call.room == room.name]
        if calls:
            yield "  entries"
        for call in calls:
            yield f"    {call.label}"
            yield from self._asks(call.asks, room.name)
        for layer, parts in by_layer(by_room(self.survey, room.name)):
            yield f"  {_layer_name(layer)}"
            for part in parts:
                yield f"    {_line_of(part)}"
                yield from self._asks(part.asks, room.name)

    def _asks(self, asks: Sequence[Ask], room: str) -> Iterator[str]:
        for ask in asks:
            part = self.survey.parts[ask.part]
            title = f"{ask.handle}[{part.title}]" if ask.handle else part.title
            home = "" if part.room == room else f'  from "{part.room}"'
            name = f"{ask.name}: " if ask.name else ""
            # A decorator and what it wraps have one title.
            by = f"  by {part.source}" if self._shared[part.title] > 1 and part.source else ""
            yield f"      {name}{title}{by}{home}"


def _line_of(part: Part) -> str:
    source = part.source
    if _is_apart(part):
        source += f" ({_layer_name(part.home_layer)})"
    words = [
        part.title,
        _life(part),
        source,
        "awaits" if part.awaits else "",
        "cleans up" if part.cleans_up else "",
        "kept as one" if part.kept else "",
        part.origin.value if part.origin in _WORTH_SAYING else "",
    ]
    return "  ".join(word for word in words if word)


def _is_apart(part: Part) -> bool:
    """Return whether a key and what answers for it are at home in two layers."""
    other = part.home_layer is not part.layer and part.home_layer is not None
    return bool(part.source) and other


def _life(part: Part) -> str:
    if part.answer is Answer.CURRENT:
        return ""
    if part.scope is part.effective:
        return part.scope.value
    if part.answer is not Answer.SOURCE:
        # An alias, a collection or a handle lives as long as what it hands over.
        return part.effective.value
    return f"{part.scope.value} ({part.effective.value})"


def _layer_name(layer: Layer | None) -> str:
    return _NEUTRAL if layer is None else layer.value


def _layer_id(layer: Layer | None) -> str:
    return "neutral" if layer is None else layer.value


# --- pictures


@dataclass(frozen=True, slots=True)
class _Box:
    id: str
    layer: Layer | None
    lines: tuple[str, ...]
    shape: str


@dataclass(frozen=True, slots=True)
class _Line:
    start: str
    end: str
    label: str = ""
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class _Drawing:
    rooms: Mapping[str, Sequence[_Box]]
    lines: Sequence[_Line]


def _drawn(survey: Survey) -> _Drawing:
    """Return boxes and lines; a port stands apart from what answers for it.

    So every whole line runs inward or within a layer: the dashed one, from the adapter to its
    port, is the only one that may seem to come from outside.
    """
    rooms: dict[str, list[_Box]] = {room.name: [] for room in survey.rooms}
    lines: dict[_Line, None] = {}
    starts: dict[int, str] = {}
    for index, part in enumerate(survey.parts):
        starts[index] = own = f"n{index}"
        if _is_apart(part):
            rooms[part.room].append(_Box(own, part.layer, (part.title,), "port"))
            starts[index] = f"{own}a"
            made = _Box(starts[index], part.home_layer, (part.source, _life(part)), "object")
            rooms[part.room].append(made)
            lines[_Line(starts[index], own, dashed=True)] = None
        else:
            words = tuple(word for word in (part.title, part.source, _life(part)) if word)
            shape = "port" if part.answer in (Answer.ALIAS, Answer.GIVEN) else "object"
            rooms[part.room].append(_Box(own, part.layer, words, shape))
    for index, part in enumerate(survey.parts):
        for ask in part.asks:
            alias = part.answer is Answer.ALIAS
            start, end = starts[index], f"n{ask.part}"
            if alias:
                # Like an adapter and its port: the one that is made answers for the other.
                start, end = starts[ask.part], starts[index]
            lines[_Line(start, end, ask.handle, alias)] = None
    for number, (labels, call) in enumerate(_together(survey.calls)):
        name = f"e{number}"
        rooms[call.room].append(_Box(name, call.layer, labels, "entry"))
        for ask in call.asks:
            lines[_Line(name, f"n{ask.part}", ask.handle)] = None
    return _Drawing({room: boxes for room, boxes in rooms.items() if boxes}, list(lines))


def _together(calls: Iterable[Call]) -> list[tuple[tuple[str, ...], Call]]:
    """Return entries that ask for the same as one, with all their labels."""
    groups: dict[object, list[Call]] = {}
    for call in calls:
        name = (call.room, call.layer, tuple((ask.part, ask.handle) for ask in call.asks))
        groups.setdefault(name, []).append(call)
    return [(tuple(call.label for call in group), group[0]) for group in groups.values()]


def _layered(boxes: Iterable[_Box]) -> list[tuple[Layer | None, list[_Box]]]:
    groups: dict[Layer | None, list[_Box]] = {}
    for box in boxes:
        groups.setdefault(box.layer, []).append(box)
    return [(layer, groups[layer]) for layer in (*Layer, None) if layer in groups]


def _mermaid(text: str) -> str:
    return _MERMAID.sub(lambda found: "".join(f"#{ord(char)};" for char in found[0]), text)


def _mermaid_box(box: _Box) -> str:
    label = "<br/>".join(map(_mermaid, box.lines))
    opening, closing = {"port": ("([", "])"), "entry": ("[/", "/]")}.get(box.shape, ("[", "]"))
    return f'{box.id}{opening}"{label}"{closing}'


def _dot(text: str) -> str:
    return text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')


def _dot_box(box: _Box) -> str:
    label = "\\n".join(map(_dot, box.lines))
    shape = {
        "port": ', style="filled,rounded,dashed"',
        "entry": ', style=filled, fillcolor="#cfd8dc"',
    }
    return f'{box.id} [label="{label}"{shape.get(box.shape, "")}]'


# --- JSON


def _json_room(room: Room) -> dict[str, object]:
    return {
        "name": room.name,
        "layer": room.layer.value if room.layer else None,
        "includes": list(room.includes),
        "exports": list(room.exports),
    }


def _json_part(part: Part, parts: Sequence[Part]) -> dict[str, object]:
    return {
        "id": part.id,
        "key": part.title,
        "module": part.room,
        "layer": part.layer.value if part.layer else None,
        "answer": part.answer.value,
        "origin": part.origin.value,
        "source": part.path or None,
        "source_layer": part.home_layer.value if part.home_layer else None,
        "scope": part.scope.value,
        "effective_scope": part.effective.value,
        "kept": part.kept or None,
        "awaits": part.awaits,
        "cleans_up": part.cleans_up,
        "bound": str(part.bound) or None,
        "written": str(part.written) or None,
        "asks": [_json_ask(ask, parts) for ask in part.asks],
    }


def _json_ask(ask: Ask, parts: Sequence[Part]) -> dict[str, object]:
    return {
        "parameter": ask.name or None,
        "object": parts[ask.part].id,
        "handle": ask.handle or None,
    }
