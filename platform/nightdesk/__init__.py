"""nightdesk: turns market data into tomorrow's recommendations every night, and knows how far to trust them."""

__version__ = "0.1.0"
