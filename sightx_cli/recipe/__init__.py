"""What to train and why: recipes, the decision table, learning-rate rules, and the plan with each value's origin.

Nothing here imports torch, numpy or pandas. `decision`, `rates` and `profiles` are plain Python; `recipe` and what
builds on it needs pydantic, so import those where they are used.
"""
