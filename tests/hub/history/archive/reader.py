"""Reads a file of raw history by its specification alone: nothing of the hub is imported here."""

import hashlib
import hmac
import zlib

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305


def hkdf(key, salt, info):
    """RFC 5869, one block of SHA-256."""
    return hmac.digest(hmac.digest(salt, key, hashlib.sha256), info + b"\x01", hashlib.sha256)


class Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        assert self.at + count <= len(self.data)
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self):
        number = shift = 0
        while True:
            [byte] = self.take(1)
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    def packed(self, count):
        coded = self.varint()
        base = (coded >> 1) ^ -(coded & 1)
        [width] = self.take(1)
        planes = [self.take(count) for _ in range(width)]
        return [base + sum(plane[n] << 8 * at for at, plane in enumerate(planes)) for n in range(count)]

    def runs(self, count):
        runs = self.varint()
        if runs == 0:
            return self.packed(count)
        values = self.packed(runs)
        lengths = self.packed(runs) if runs > 1 else [count]
        return [value for value, length in zip(values, lengths, strict=True) for _ in range(length)]


def sums(first, differences):
    found = [first]
    for one in differences:
        found.append(found[-1] + one)
    return found


def pages(data):
    reader = Bytes(data)
    while reader.at < len(data):
        page = Bytes(reader.take(reader.varint()))
        rows, first, length = page.varint(), page.varint(), page.varint()
        times = sums(first, page.packed(rows - 1)) if rows > 1 else [first]
        assert times[-1] == first + length
        [value] = page.packed(1)
        values = sums(value, page.runs(rows - 1)) if rows > 1 else [value]
        assert page.at == len(page.data)
        yield from zip(times, values, strict=True)


def read(data, root, secrets):
    """{number of the series: [(second, steps)]} of the series whose secrets are given."""
    assert data[:8] == b"ilotraw\x01"
    ciphers = {1: AESGCM, 2: ChaCha20Poly1305}
    cipher: type[AESGCM] | type[ChaCha20Poly1305] = ciphers[data[8]]
    id, bound = data[9:25], data[:41]
    size = int.from_bytes(data[41:45], "big")
    key = hkdf(root, id, b"ilot/raw-directory/1\0")
    directory = Bytes(cipher(key).decrypt(bytes(12), data[45 : 45 + size], bound))
    count = directory.varint()
    numbers = sums(0, directory.packed(count))[1:] if count else []
    at, found = 45 + size, {}
    for number, length in zip(numbers, directory.packed(count) if count else [], strict=True):
        block = data[at : at + length]
        at += length
        if number in secrets:
            info = b"ilot/raw-block/1\0" + number.to_bytes(4, "big")
            body = cipher(hkdf(root + secrets[number], id, info)).decrypt(bytes(12), block, bound)
            assert body[0] in (0, 1)
            found[number] = list(pages(zlib.decompress(body[1:]) if body[0] else body[1:]))
    assert at == len(data)
    return found
