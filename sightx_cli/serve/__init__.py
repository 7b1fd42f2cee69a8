"""The local page of a trained model and its JSON endpoint: images arrive over HTTP and stay in memory alone.

Needs the packages of the extra `serve`; nothing outside this room imports it before it is asked for.
"""
