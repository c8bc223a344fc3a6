"""What links around another link have in common."""

from unimodal.links import Link, Round


class Relay(Link):
    """Hands everything on but rounds, with which each does something of its own; abstract."""

    def __init__(self, link: Link) -> None:
        self.link = link

    def open(self) -> None:
        self.link.open()

    @property
    def number(self) -> int:
        return self.link.number

    @property
    def workers(self) -> list[int]:
        return self.link.workers

    def missed(self) -> list[Round]:
        return self.link.missed()

    def close(self) -> None:
        self.link.close()
