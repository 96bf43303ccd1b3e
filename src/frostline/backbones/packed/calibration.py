"""Texts on which 8 bits are fitted and tried: many kinds, short and long, so that no kind of input comes as a surprise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from frostline.contracts import IntArray, Tokens

__all__ = ["FITTED_ON", "TRIED_ON", "Samples", "read_samples"]

_TOKENS = 128
"""Window of the samples."""


@dataclass(frozen=True)
class Samples:
    """Token sequences of common texts: those on which 8 bits are fitted, and those on which they are tried."""

    fitted_on: Sequence[IntArray]
    tried_on: Sequence[IntArray]


def read_samples(tokenize: Callable[[Sequence[str], int], Tokens], max_length: int) -> Samples:
    """The texts below in the tokens of a model.

    Parameters
    ----------
    tokenize : callable
        Texts and a window to tokens.
    max_length : int
        The model's window.
    """
    window = min(max_length, _TOKENS)
    return Samples(tokenize(FITTED_ON, window).ids, tokenize(TRIED_ON, window).ids)


FITTED_ON = (
    "A quiet, patient film that trusts its actors and rarely raises its voice.",
    "an exhausting mess of jokes that were old when the studio was young",
    "i have been waiting on my new card for two weeks, where is it?",
    "Why was I charged a fee for taking out money abroad last night?",
    ("Shares of the chip maker fell 4.2 percent on Tuesday after it cut its forecast for the third quarter, citing weak "
    "demand for phones and rising costs at its plants in Asia."),
    ("The ministry said wheat exports reached 12.5 mln tonnes in the year to June 30, against 9.8 mln a year earlier, and "
    "that prices would stay firm. Net loss of 13 cts a share vs profit of 41 cts; revs 5.2 mln dlrs vs 6.1 mln."),
    ("Scientists found that the bacteria survive at temperatures far above what was thought possible, in vents 2,000 metres "
    "below the surface; their enzymes could make the breaking down of plant waste cheaper, the team writes."),
    "The home side won 3-1 with two late goals, and the keeper was carried off after 80 minutes.",
    "Der Film ist langweilig, aber die Musik bleibt im Ohr.",
    "Je n'ai jamais reçu ma commande et personne ne répond au téléphone depuis lundi.",
    "El hotel estaba limpio y el personal fue muy amable, volveremos el año que viene.",
    "Questo prodotto si è rotto dopo due giorni, non lo consiglio a nessuno.",
    "O atendimento foi péssimo e a comida chegou fria.",
    "Bardzo dobra książka, przeczytałem ją w jeden wieczór.",
    "Очень хороший телефон, батарея держит два дня, рекомендую всем.",
    "这家餐厅的菜很好吃,但是服务太慢了。",
    "このカメラは軽くて使いやすいです。",
    "الخدمة كانت ممتازة والسعر مناسب جدا",
    "यह फिल्म बहुत अच्छी है और संगीत भी सुंदर है",
    "배송이 빠르고 포장도 깔끔했어요",
    ("def mean(values: list[float]) -> float:\n    if not values:\n        raise ValueError('no values')\n"
    "    return sum(values) / len(values)"),
    "for (int i = 0; i < n; ++i) { total += a[i] * b[i]; } return total > 0 ? total : -1;",
    "SELECT name, COUNT(*) FROM orders WHERE price >= 19.99 GROUP BY name ORDER BY 2 DESC;",
    "<div class='card'><a href='https://example.org/x?id=7&lang=en'>Read more</a></div>",
    '{"id": 48213, "price": -17.25, "tags": ["a", "b"], "ok": true, "when": "2021-03-04T05:06:07Z"}',
    "{'k0': -58231, 'k1': 771204, 'k2': 0, 'k3': -3, 'k4': 99182, 'k5': -640021, 'k6': 15}",
    "c0: 0.4512, c1: -1.3377, c2: 0.0021, c3: 2.7180, c4: -0.9913, c5: 1.0000, c6: -0.0456",
    "x1 = 3.5e-07; x2 = 1200; learning_rate: 0.001; depth: 6; 99.9%; (555) 010-2234",
    "CC(=O)OC1=CC=CC=C1C(=O)O and CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKRQTLGQHDFSAGEGLYTHMKALRPDEDRLSPLH",
    "the the the the the the the the the the",
    "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
    "!!!!!!!!!!!!!!!!!!!! ???",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "-- // ## ** || && == != <> [] () {} .. ,, ;; :: @@ $$ %%",
    "good good good bad bad good",
    "THIS IS NOT WHAT I ORDERED AND I WANT MY MONEY BACK NOW",
    "so it goes , and then some -- a little too long , but never dull .",
    "no", "yes!", "great", "ugh", "your", "Paris", "42", "?", "...", "not bad at all", "why me", "a film", "😀 👍",
)  # fmt: skip
"""What the rounding is fitted on."""

TRIED_ON = (
    "one of those rare comedies that gets kinder as it gets funnier .",
    "it has neither the nerve to be strange nor the wit to be plain , and so it is simply there .",
    "My transfer from Monday still shows as pending. Could you please tell me when the money will arrive?",
    "Oil prices rose for a fifth day as traders weighed a cut in output against signs of slower growth in Europe.",
    "Qtly div 12 cts vs 11 cts prior; pay April 30, record April 9. The board also named a new chief financial officer.",
    "Die Lieferung kam zwei Tage zu spät und der Karton war beschädigt.",
    "La batería dura poco y la pantalla se raya con facilidad.",
    "Книга скучная, дочитать до конца не смог.",
    "服务态度很好,下次还会再来。",
    "import json\nwith open(path) as file:\n    rows = [json.loads(line) for line in file if line.strip()]",
    '{"name": "x-17", "size": [3, 4, 5], "loss": 0.03125, "done": false}',
    "a1: -0.7312, a2: 12.0041, a3: 0.0000, a4: -3.1416, a5: 8.25e+03",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
    "of of of of of of of of of of of of",
    "........................",
    "never again",
)
"""What it is tried on at load, beside token ids drawn at random."""
