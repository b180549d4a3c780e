"""What goes wrong: scripted faults of answers and of pages, and a strict quota."""
