"""Methods of adaptation, one per file; see `adapt.methods.base` for how they are found."""

from adapt.methods.base import Method, get, method, register, schemas

__all__ = ["Method", "get", "method", "register", "schemas"]
