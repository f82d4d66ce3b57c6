"""Inverted residuals (MnasNet, MobileNet): network and costs."""
