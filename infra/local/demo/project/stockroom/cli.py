"""The command line."""

import argparse
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path

from stockroom.inventory import StockError, load, save


def cents(euros: str) -> int:
    """Cents of an amount in euros."""
    try:
        amount = Decimal(euros) * 100
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"{euros} is not an amount") from None
    if amount != amount.to_integral_value() or amount < 0:
        raise argparse.ArgumentTypeError(f"{euros} is not a whole number of cents")
    return int(amount)


def euros(amount: int) -> str:
    """An amount in cents as people read it."""
    return f"{amount // 100}.{amount % 100:02d}"


def add(arguments: argparse.Namespace) -> int:
    inventory = load(arguments.file)
    item = inventory.add(arguments.name, arguments.pieces, arguments.price, arguments.minimum)
    save(inventory, arguments.file)
    print(f"{item.name}: {item.pieces}")
    return 0


def take(arguments: argparse.Namespace) -> int:
    inventory = load(arguments.file)
    item = inventory.take(arguments.name, arguments.pieces)
    save(inventory, arguments.file)
    print(f"{item.name}: {item.pieces}")
    return 0


def list_items(arguments: argparse.Namespace) -> int:
    inventory = load(arguments.file)
    for item in inventory.items():
        print(f"{item.pieces:6}  {item.name}")
    print(f"worth {euros(inventory.worth())}")
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stockroom", description="Counts what is on the shelves.")
    parser.add_argument("--file", type=Path, default=Path("stockroom.json"))
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("add", help="put pieces on the shelf")
    command.add_argument("name")
    command.add_argument("pieces", type=int)
    command.add_argument("--price", type=cents, metavar="EUROS")
    command.add_argument("--minimum", type=int, metavar="PIECES")
    command.set_defaults(run=add)

    command = commands.add_parser("take", help="take pieces off the shelf")
    command.add_argument("name")
    command.add_argument("pieces", type=int)
    command.set_defaults(run=take)

    command = commands.add_parser("list", help="every item, and what the shelf is worth")
    command.set_defaults(run=list_items)
    return parser


def main(words: list[str] | None = None) -> int:
    arguments = build_parser().parse_args(words)
    try:
        return arguments.run(arguments)
    except StockError as error:
        print(f"stockroom: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
