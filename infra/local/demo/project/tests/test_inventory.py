import doctest
import unittest

from stockroom import inventory
from stockroom.inventory import Inventory, Item, StockError


def load_tests(loader, tests, pattern):
    tests.addTests(doctest.DocTestSuite(inventory))
    return tests


class InventoryTest(unittest.TestCase):
    def test_more_than_there_is_cannot_be_taken(self):
        shelf = Inventory([Item("bolt", 5)])
        with self.assertRaisesRegex(StockError, "cannot take 6 of 5 bolt"):
            shelf.take("bolt", 6)
        self.assertEqual(shelf.items(), [Item("bolt", 5)])

    def test_adding_keeps_the_price_and_the_minimum_unless_given(self):
        shelf = Inventory([Item("bolt", 5, price_cents=12, minimum=3)])
        self.assertEqual(shelf.add("bolt", 1), Item("bolt", 6, price_cents=12, minimum=3))
        self.assertEqual(shelf.add("bolt", 0, minimum=9), Item("bolt", 6, price_cents=12, minimum=9))


if __name__ == "__main__":
    unittest.main()
