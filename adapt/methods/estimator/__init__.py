"""The methods on features as an estimator of scikit-learn."""
