"""The typed results that go up through the house: they hold, and print nothing."""
