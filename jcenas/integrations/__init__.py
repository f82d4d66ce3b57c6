"""What other packages call: each module is for one of them, and imports it."""
