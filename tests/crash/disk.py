"""What a disk still has after the power went: what was synced, and of the rest whatever it had come to write.

The model is the strictest that POSIX allows and a little stricter than any file system is. A write lasts once its file
was synced after it; before that it is there wholly, in part (sector by sector), or not at all, whatever came later. A
name lasts once its folder was synced; before that it may be the old one, though names of a folder change in order.
"""

import os
import random
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
_HEAD = struct.Struct("=QQQQQ")
_ROOT_ONLY = {"err", "out"}
"""What a test keeps beside the server's own files."""


@dataclass
class Leaf:
    """A file: what lasts of it, and what was done to it since."""

    lasting: bytearray = field(default_factory=bytearray)
    waiting: list[tuple[int, int, bytes | None]] = field(default_factory=list)
    """When, where, and what was written; None where it was cut off there."""


@dataclass
class Folder:
    """A folder: the names that last, those that a process sees, and the changes between the two."""

    lasting: "dict[str, Leaf | Folder]" = field(default_factory=dict)
    seen: "dict[str, Leaf | Folder]" = field(default_factory=dict)
    waiting: "list[tuple[int, dict[str, Leaf | Folder | None]]]" = field(default_factory=list)


@dataclass(frozen=True)
class Record:
    """One line of the trace."""

    kind: str
    file: int
    number: int
    first: bytes
    second: bytes


class Disk:
    """The disk under one folder, for one process after the other."""

    def __init__(self, folder: Path, library: Path, trace: Path, seed: float) -> None:
        self._folder = folder.resolve()
        self._library = library
        self._trace = trace
        self._random = random.Random(seed)
        self._nodes: dict[int, Leaf | Folder] = {}
        self._root = Folder()
        self.syncs = 0
        """How many syncs the processes have waited for."""
        self.dropped = 0
        """How many changes were lost, wholly or in part."""

    def begin(self) -> dict[str, str]:
        """Take what is there for lasting; returns the environment of the process that is to use the disk."""
        self._trace.unlink(missing_ok=True)
        self._nodes = {}
        self._root = self._found(self._folder)
        return {
            "LD_PRELOAD": str(self._library),
            "SHIM_FOLDER": str(self._folder),
            "SHIM_TRACE": str(self._trace),
        }

    def lose_power(self) -> None:
        """Put into the folder what a disk would have if the power had gone when the process was killed."""
        self._replay()
        torn = self._random.random() < 0.6
        for path in self._entries(self._folder):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._write(self._folder, self._root, torn=torn)

    def _found(self, folder: Path) -> Folder:
        found = Folder()
        self._nodes[folder.stat().st_ino] = found
        for path in self._entries(folder):
            node = self._found(path) if path.is_dir() else Leaf(bytearray(path.read_bytes()))
            self._nodes[path.stat().st_ino] = node
            found.lasting[path.name] = found.seen[path.name] = node
        return found

    def _entries(self, folder: Path) -> list[Path]:
        ours = folder != self._folder
        return [path for path in folder.iterdir() if ours or path.name not in _ROOT_ONLY]

    def _replay(self) -> None:
        begun: dict[int, int] = {}
        for moment, record in enumerate(_records(self._trace)):
            node = self._nodes.get(record.file)
            match record.kind:
                case "C" | "M":
                    made = self._nodes[record.file] = Leaf() if record.kind == "C" else Folder()
                    self._name(moment, {record.first: made})
                case "W" if isinstance(node, Leaf):
                    node.waiting.append((moment, record.number, record.first))
                case "T" if isinstance(node, Leaf):
                    node.waiting.append((moment, record.number, None))
                case "R":
                    moved = self._at(record.first)
                    self._name(moment, {record.first: None, record.second: moved})
                case "L":
                    self._name(moment, {record.second: self._at(record.first)})
                case "U":
                    self._name(moment, {record.first: None})
                case "S":
                    begun[record.number] = moment
                case "D" if node is not None:
                    self.syncs += 1
                    _sync(node, begun[record.number])

    def _split(self, name: bytes) -> tuple[Folder, str]:
        *parts, last = Path(os.fsdecode(name)).relative_to(self._folder).parts
        folder = self._root
        for part in parts:
            below = folder.seen[part]
            assert isinstance(below, Folder)
            folder = below
        return folder, last

    def _at(self, name: bytes) -> Leaf | Folder | None:
        folder, last = self._split(name)
        return folder.seen.get(last)

    def _name(self, moment: int, names: "dict[bytes, Leaf | Folder | None]") -> None:
        """Change names of a folder, all at once."""
        changes = [(*self._split(name), node) for name, node in names.items()]
        for folder in {id(folder): folder for folder, _, _ in changes}.values():
            own = {last: node for where, last, node in changes if where is folder}
            _rename(folder.seen, own)
            folder.waiting.append((moment, own))

    def _write(self, place: Path, folder: Folder, *, torn: bool) -> None:
        kept = self._random.randint(0, len(folder.waiting)) if torn else 0
        self.dropped += len(folder.waiting) - kept
        for _, names in folder.waiting[:kept]:
            _rename(folder.lasting, names)
        for name, node in folder.lasting.items():
            if isinstance(node, Folder):
                (place / name).mkdir(mode=0o700)
                self._write(place / name, node, torn=torn)
            else:
                self._write_file(place / name, node, torn=torn)

    def _write_file(self, path: Path, leaf: Leaf, *, torn: bool) -> None:
        content = bytearray(leaf.lasting)
        for _, at, data in leaf.waiting if torn else []:
            self._tear(content, at, data)
        self.dropped += len(leaf.waiting)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)

    def _tear(self, content: bytearray, at: int, data: bytes | None) -> None:
        luck = self._random.random()
        if luck < 0.3:
            return
        if data is None or luck < 0.7:
            _apply(content, at, data)
            return
        for start in range(0, len(data), SECTOR):
            if self._random.random() < 0.5:
                _apply(content, at + start, data[start : start + SECTOR])


def _sync(node: Leaf | Folder, begun: int) -> None:
    """Let everything last that was there when the sync began; what came while it ran has to wait for the next."""
    if isinstance(node, Leaf):
        for moment, at, data in node.waiting:
            if moment < begun:
                _apply(node.lasting, at, data)
        node.waiting = [change for change in node.waiting if change[0] >= begun]
        return
    for moment, names in node.waiting:
        if moment < begun:
            _rename(node.lasting, names)
    node.waiting = [change for change in node.waiting if change[0] >= begun]


def _apply(content: bytearray, at: int, data: bytes | None) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    if data is None:
        del content[at:]
    else:
        content[at : at + len(data)] = data


def _rename(names: dict[str, Leaf | Folder], changes: dict[str, Leaf | Folder | None]) -> None:
    for name, node in changes.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def _records(trace: Path) -> Iterator[Record]:
    """Read the trace; its last record may have been cut off by the kill."""
    raw = trace.read_bytes() if trace.exists() else b""
    at = 0
    while at + _HEAD.size <= len(raw):
        kind, file, number, first, second = _HEAD.unpack_from(raw, at)
        at += _HEAD.size
        if at + first + second > len(raw):
            return
        yield Record(chr(kind), file, number, raw[at : at + first], raw[at + first : at + first + second])
        at += first + second
