"""ELM: a language model that explains any vector in words, and scores of how far the words hold."""
