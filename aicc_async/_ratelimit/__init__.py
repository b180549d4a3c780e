"""At most N requests in any T: the limiters, and what shared ones need of a store. No HTTP."""
