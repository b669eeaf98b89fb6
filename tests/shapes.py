"""The tables of the stand-in app, as its own files tell them: OpenSID's shape."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from siappakai.gateways import standin

_SPECS = Path(standin.__file__).parent / "app/donjo-app/skema"
_TYPES = {
    "i": "int(11)",
    "u": "int(10) unsigned",
    "t": "tinyint(4)",
    "tu": "tinyint(3) unsigned",
    "b": "tinyint(1)",
    "s": "smallint(6)",
    "big": "bigint(20)",
    "bigu": "bigint(20) unsigned",
    "f": "double",
    "m": "decimal(65,2)",
    "nik": "decimal(16,0)",
    "text": "text",
    "tiny": "tinytext",
    "long": "longtext",
    "medium": "mediumtext",
    "ts": "timestamp NULL",
    "dt": "datetime",
    "d": "date",
    "time": "time",
    "y": "year(4)",
    "uuid": "char(36)",
}
_AUDIT = ("created_at:ts", "created_by:i", "updated_at:ts", "updated_by:i")
_COLUMN = re.compile(
    r"(?P<key>[+#]?)(?P<name>\w+)(?::(?P<type>\w+))?(?P<need>!?)"
    r"(?:>(?P<table>\w+)(?:\.(?P<column>\w+))?(?:/(?P<rule>[NR]))?)?"
)
_RULES = {None: "CASCADE", "N": "SET NULL", "R": "RESTRICT"}


@dataclass
class Spec:
    """One table of the stand-in: its columns with their types, and how it is created."""

    name: str
    columns: dict[str, str] = field(default_factory=dict)
    needed: set[str] = field(default_factory=set)
    keys: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    unique: list[list[str]] = field(default_factory=list)

    def create(self) -> str:
        """Return its CREATE TABLE."""
        primary = [f"PRIMARY KEY (`{'`,`'.join(self.keys)}`)"] if self.keys else []
        body = ", ".join([*self.parts, *primary])
        return f"CREATE TABLE `{self.name}` ({body}) ENGINE=InnoDB CHARSET=utf8mb3"

    def add(self, token: str) -> None:
        """Read one token; see TableSpec.php."""
        if token == "*":
            for one in _AUDIT:
                self.add(one)
        elif token.startswith("uk("):
            columns = token[3:-1].replace("cfg", "config_id").split(",")
            self.unique.append(columns)
            self.parts.append(f"UNIQUE KEY `{'_'.join(columns)}` (`{'`,`'.join(columns)}`)")
        else:
            self._add_column(token)

    def _add_column(self, token: str) -> None:
        part = _COLUMN.fullmatch(token)
        assert part, (self.name, token)
        kind = part["type"] or ("i" if part["table"] or part["key"] else "100")
        type_ = _TYPES.get(kind, f"varchar({kind})")
        need = bool(part["need"] or part["key"])
        null = "" if kind == "ts" else " NOT NULL" if need else " DEFAULT NULL"
        increment = " AUTO_INCREMENT" if part["key"] == "+" else ""
        if part["key"]:
            self.keys.append(part["name"])
        self.columns[part["name"]] = type_
        self.needed |= {part["name"]} if need else set()
        self.parts.append(f"`{part['name']}` {type_}{null}{increment}")
        if part["table"]:
            rule = _RULES[part["rule"]]
            self.parts.append(
                f"CONSTRAINT `{self.name}_{part['name']}_fk` FOREIGN KEY (`{part['name']}`)"
                f" REFERENCES `{part['table']}` (`{part['column'] or 'id'}`) ON DELETE {rule}"
            )


@cache
def specs() -> dict[str, Spec]:
    """All tables of the stand-in."""
    found: dict[str, Spec] = {}
    for file in sorted(_SPECS.glob("*.txt")):
        text = re.sub(r"^#.*\n", "", file.read_text(), flags=re.MULTILINE)
        for line in re.sub(r"\n\s+", " ", text).strip().split("\n"):
            heading, _, tokens = line.partition(":")
            for name in _names(heading):
                found[name] = _spec(name, tokens.split())
    return found


def _names(heading: str) -> list[str]:
    many = re.fullmatch(r"(\w+)\{([\w,]+)\}", heading)
    return [many[1] + one for one in many[2].split(",")] if many else [heading]


def _spec(name: str, tokens: list[str]) -> Spec:
    own_key = any(token[0] in "+#" for token in tokens)
    spec = Spec(name)
    if not own_key and "nopk" not in tokens:
        spec.add("+id")
    if "global" not in tokens:
        spec.add("config_id!>config" if "config_id!" in tokens else "config_id>config")
    for token in tokens:
        if token not in {"global", "nopk", "config_id!"}:
            spec.add(token)
    return spec
