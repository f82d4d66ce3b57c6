"""Energy meters: joules that devices have drawn, from counters of the hardware; loaded when one is chosen."""
