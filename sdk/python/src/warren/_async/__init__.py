"""The client. Everything here is written once, for asyncio; the blocking client is made of it by ``generate.py``."""
