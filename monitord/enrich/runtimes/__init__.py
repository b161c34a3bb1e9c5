"""Container runtimes that are asked about containers: one module for each protocol that they speak."""
