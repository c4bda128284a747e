"""What may happen next: pure automata of both sides and both eras, questions, journal, sealing. No trio."""
