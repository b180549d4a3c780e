"""Q-Flow, as far as its case calls and its sign-in show it."""
