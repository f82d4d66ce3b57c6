"""Training on device: images, augmentation, jitted chunks of steps, checkpoints, and where arrays lie."""
