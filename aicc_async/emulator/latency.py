"""How long the tenant takes to answer."""

import math
import random

import attrs


@attrs.frozen
class Latency:
    """A mean in seconds; with `sigma` above 0, lognormal around that mean."""

    mean: float
    sigma: float = 0.0

    def draw(self, source: random.Random) -> float:
        """Draw the delay of one answer."""
        if not self.sigma:
            return self.mean
        centre = math.log(self.mean) - self.sigma**2 / 2
        return source.lognormvariate(centre, self.sigma)
