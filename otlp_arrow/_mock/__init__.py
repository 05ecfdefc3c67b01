"""What a mock service is told to do, what it received, and how a failed test tells that."""
