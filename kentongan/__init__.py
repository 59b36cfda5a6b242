"""The core of Kentongan: what an alert is, who may send it, and what became of each delivery.

The core knows no vendor, no Prefect and no web framework; adapters are handed in.
"""
