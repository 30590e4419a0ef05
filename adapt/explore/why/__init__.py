"""Why a model answered as it did: training images, regions, words."""
