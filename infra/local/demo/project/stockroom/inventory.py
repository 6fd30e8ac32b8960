"""The shelf: items, how many there are, and what they are worth."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path


class StockError(Exception):
    """Something the shelf cannot do, in words for the person who asked."""


@dataclass(frozen=True)
class Item:
    """One kind of thing. A minimum of 0 means that none is kept."""

    name: str
    pieces: int
    price_cents: int = 0
    minimum: int = 0


class Inventory:
    """All items, by name."""

    def __init__(self, items: list[Item] | None = None) -> None:
        self._items = {item.name: item for item in items or []}

    def items(self) -> list[Item]:
        """Every item, by name.

        >>> [item.name for item in Inventory([Item("nut", 5), Item("bolt", 2)]).items()]
        ['bolt', 'nut']
        """
        return sorted(self._items.values(), key=lambda item: item.name)

    def add(
        self, name: str, pieces: int, price_cents: int | None = None, minimum: int | None = None
    ) -> Item:
        """Puts pieces on the shelf.

        >>> Inventory([Item("bolt", 2)]).add("bolt", 3).pieces
        5
        """
        if pieces < 0:
            raise StockError("a number of pieces cannot be negative")
        item = self._items.get(name, Item(name, 0))
        item = replace(item, pieces=item.pieces + pieces)
        if price_cents is not None:
            item = replace(item, price_cents=price_cents)
        if minimum is not None:
            item = replace(item, minimum=minimum)
        self._items[name] = item
        return item

    def take(self, name: str, pieces: int) -> Item:
        """Takes pieces off the shelf.

        >>> Inventory([Item("bolt", 5)]).take("bolt", 3).pieces
        2
        """
        item = self._items.get(name)
        if item is None:
            raise StockError(f"there is no {name}")
        if not 0 <= pieces <= item.pieces:
            raise StockError(f"cannot take {pieces} of {item.pieces} {name}")
        self._items[name] = replace(item, pieces=item.pieces - pieces)
        return self._items[name]

    def worth(self) -> int:
        """What the shelf is worth, in cents.

        >>> Inventory([Item("bolt", 5, price_cents=12)]).worth()
        60
        """
        return sum(item.pieces * item.price_cents for item in self._items.values())


def load(path: Path) -> Inventory:
    """The shelf as it was saved; an empty one when it never was.

    >>> load(Path("no-such-file.json")).items()
    []
    """
    if not path.exists():
        return Inventory()
    return Inventory([Item(**entry) for entry in json.loads(path.read_text("utf-8"))])


def save(inventory: Inventory, path: Path) -> None:
    """Writes the shelf so that a reader sees the old one or the new one, never half.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     save(Inventory([Item("bolt", 5)]), Path(directory, "shelf.json"))
    ...     load(Path(directory, "shelf.json")).items()[0].pieces
    5
    """
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps([asdict(item) for item in inventory.items()]), "utf-8")
    temporary.replace(path)
