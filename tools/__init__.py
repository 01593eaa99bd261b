"""Programs that people run on their own computers, with plain Python. They know nothing of the rest."""
