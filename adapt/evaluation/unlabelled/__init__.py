"""What can be said of a model on images without labels: accuracy, class mix, drift."""
