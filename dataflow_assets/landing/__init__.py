"""How bytes arrive: the object store, the deliveries in it, and what puts them there."""
