"""The networks: their layers, their table by name, what is put behind them, what they start from."""
