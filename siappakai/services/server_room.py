"""Room on a server's disk, asked for before anything is brought there."""

from __future__ import annotations

from dataclasses import dataclass

from siappakai.domain.backups import reserve
from siappakai.domain.servers import CommandFailedError, Shell
from siappakai.wording import say


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on a disk, and what of it must stay so, in bytes."""

    free: int
    kept: int

    def has(self, needed: int) -> bool:
        """Tell whether so many bytes find room."""
        return self.free >= needed + self.kept


def room_in(shell: Shell, folder: str) -> Room:
    """Return the room on the disk of a folder; raises CommandFailedError when there is none."""
    answer = shell.run(["df", "-B1", "--output=avail,size", folder])
    if answer.code != 0:
        raise CommandFailedError(answer.error.strip(), say("Siapkan server itu lagi."))
    free, size = map(int, answer.output.split()[-2:])
    return Room(free, reserve(size))
