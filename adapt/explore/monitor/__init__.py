"""A new place without labels: is it another distribution, and how accurate is the model there."""

from adapt.explore.monitor.result import Monitoring, monitor

__all__ = ["Monitoring", "monitor"]
