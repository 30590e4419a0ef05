"""What every room may use: files, words, arrays, the cache, content hashes, seeds."""
