"""How results look: as text on a terminal, as JSON, and as pictures."""
