"""How the starter language model was made; run from the folder `starter/`, in this order.

python -m recipe.corpus      split the films, write the corpus
python -m recipe.prove       show that no held-out text is in it
python -m recipe.tokenizer   learn the vocabulary, encode the corpus
python -m recipe.pairs       vectors of the corpus' texts, for the adapter
python -m recipe.train       train; killed and run again it goes on
python -m recipe.train --decay 600
python -m recipe.export      write weights and adapter into the package
python -m recipe.evaluate    held-out bits per byte, samples
python -m recipe.card        write the model card
"""
