#!/usr/bin/env python3
"""Checks that compile_growth.py tells steady costs from growing ones."""
import unittest

import compile_growth


def costs_of(function):
    return {layers: function(layers) for layers in compile_growth.LAYERS}


class Faults(unittest.TestCase):
    def test_steady_costs_are_fine(self):
        self.assertEqual(compile_growth.faults(costs_of(lambda n: 250000 + 2000 * n)), [])
        self.assertEqual(compile_growth.faults(costs_of(lambda n: 250000 + 2000 * n + 100 * (n % 7))), [])

    def test_growing_costs_are_faults(self):
        self.assertEqual(len(compile_growth.faults(costs_of(lambda n: 250000 + 10 * n * n))), 1)
        self.assertEqual(len(compile_growth.faults(costs_of(lambda n: 250000 + 500 * n + 8 * n * n))), 1)

    def test_costs_beyond_all_bounds_are_faults(self):
        self.assertEqual(len(compile_growth.faults(costs_of(lambda n: 9000 * n))), 1)

    def test_every_network_has_its_layers(self):
        text = compile_growth.program(10)
        self.assertEqual(text.count("relu(dense<"), 10)
        self.assertEqual(text.count(" >> relu"), 10)


if __name__ == "__main__":
    unittest.main()
