"""One document for a whole assignment: its parts trained, written up, printed and packed."""
