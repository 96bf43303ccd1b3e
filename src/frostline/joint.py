"""Several backbones over the same rows: each embeds and stores on its own, their vectors stand side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import tee

import numpy as np

from frostline.contracts import EmbedStats, KeyArray, Tap
from frostline.extraction import ExtractionStream, Extractor
from frostline.features import Features, Forecast

__all__ = ["JointExtractor"]


class JointExtractor:
    """Embeds texts with several backbones, one after the other.

    Every backbone reads, cuts, addresses and stores as it does alone, so nothing is computed again that one of them has
    computed before.

    Parameters
    ----------
    parts : sequence of Extractor
        Two or more; the taps of each name their backbone.
    """

    def __init__(self, parts: Sequence[Extractor]) -> None:
        self.parts = tuple(parts)
        self.taps: tuple[Tap, ...] = tuple(tap for part in parts for tap in part.taps)

    @property
    def names(self) -> list[str]:
        """The backbones, as the user wrote them."""
        return [part.taps[0].backbone for part in self.parts]

    def __call__(self, texts: Sequence[str]) -> Features:
        """Embed `texts`; rows keep their order.

        Parameters
        ----------
        texts : sequence of n str

        Returns
        -------
        Features
            `truncated` where any backbone cut; `read` what all of them read.
        """
        return self._join([part(texts) for part in self.parts])

    def stream(self, windows: Iterable[Sequence[str]], total: int | None = None) -> JointStream:
        """Embed windows of rows one after another, each with all backbones; as :meth:`Extractor.stream`."""
        copies = tee(windows, len(self.parts))
        return JointStream(self, [part.stream(own, total) for part, own in zip(self.parts, copies, strict=True)])

    def recall(self, keys: KeyArray) -> Features:
        """Features of rows whose texts nobody has any more; as :meth:`Extractor.recall`, with the keys of every backbone."""
        return self._join([part.recall(keys[:, 2 * i : 2 * i + 2]) for i, part in enumerate(self.parts)])

    def forecast(self, texts: Sequence[str], sample: int = 64) -> Forecast:
        """Count and time what a run would do, for each backbone and in sum; nothing is stored.

        Parameters
        ----------
        texts, sample
            As for :meth:`Extractor.forecast`.
        """
        found = [part.forecast(texts, sample) for part in self.parts]
        truncated = np.any([one.truncated for one in found], axis=0)
        requests = [one.n_requests for one in found if one.n_requests is not None]
        own = dict(zip(self.names, found, strict=True))
        return Forecast(
            EmbedStats.of_backbones({name: one.stats for name, one in own.items()}, int(truncated.sum())),
            sum(one.bytes for one in found),
            truncated,
            _common([one.read for one in found]),
            sum(requests) if requests else None,
            sum(one.n_billed for one in found),
            own,
        )

    def _join(self, found: Sequence[Features]) -> Features:
        truncated = np.any([one.truncated for one in found], axis=0)
        stats = {name: one.stats for name, one in zip(self.names, found, strict=True)}
        return Features(
            columns=np.hstack([one.columns for one in found]),
            keys=np.hstack([one.keys for one in found]),
            truncated=truncated,
            read=_common([one.read for one in found]),
            texts=found[0].texts,
            taps=self.taps,
            widths=tuple(width for one in found for width in one.widths),
            depths=tuple(depth for one in found for depth in one.depths),
            stats=EmbedStats.of_backbones(stats, int(truncated.sum())),
        )


class JointStream:
    """Windows of rows on their way through a :class:`JointExtractor`; made by its ``stream``."""

    def __init__(self, extractor: JointExtractor, streams: Sequence[ExtractionStream]) -> None:
        self._extractor = extractor
        self._streams = streams
        self._n_truncated = 0

    def __iter__(self) -> Iterator[Features]:
        for found in zip(*self._streams, strict=True):
            features = self._extractor._join(found)
            self._n_truncated += features.stats.n_truncated
            yield features

    def stats(self) -> EmbedStats:
        """What was done so far, in sum and by each backbone."""
        own = {
            name: stream.stats() for name, stream in zip(self._extractor.names, self._streams, strict=True)
        }  # fmt: skip
        return EmbedStats.of_backbones(own, self._n_truncated)


def _common(spans: Sequence[np.ndarray]) -> np.ndarray:
    """What all of several readings hold of each text: (first character, the one after the last), shape (n, 2)."""
    stacked = np.stack(spans)
    return np.stack([stacked[:, :, 0].max(axis=0), stacked[:, :, 1].min(axis=0)], axis=1)
