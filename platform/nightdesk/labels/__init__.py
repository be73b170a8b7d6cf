"""What came of a decision: forward returns, directions, volatility, barriers; known once they matured."""
