"""The feature store: vectors by content address, durable on disk (:class:`Store`) or in memory (:class:`MemoryStore`).

Both keep the promises of :class:`frostline.contracts.VectorStore`: a batch is committed whole or not at all, the first
writer of a key wins, and no text is kept, only digests of the token ids that were fed.
"""

from __future__ import annotations

from frostline.store.keys import key_of, keys_of
from frostline.store.memory import MemoryStore
from frostline.store.place import default_store_path
from frostline.store.store import Store

__all__ = ["MemoryStore", "Store", "default_store_path", "key_of", "keys_of"]
