"""What goes wrong: scripted faults, misplaced pages, a strict quota."""
