"""What the methods on features share: the support set, folds, and how a head is fitted."""
