"""Every record of an accelerator, from one command."""
