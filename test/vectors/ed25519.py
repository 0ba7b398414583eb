#!/usr/bin/env python3
"""Makes ed25519.json: signatures that every provider must judge alike (P-13.1), by numbers alone and by none of the libraries under test.

    python3 test/vectors/ed25519.py > test/vectors/ed25519.json

The classes are those of public collections: the flags of Wycheproof's Ed25519 file, and the twelve cases of "Taming the many EdDSAs"
(Chalkias, Garillot, Nikolaenko 2020). Every case is constructed here anew; `how` says in what way. `valid` is what libsodium's rules
give, by `judge` below: they are applied to each case by points and numbers, and each construction asserts what it is made for.
"""
import json
from hashlib import sha256, sha512

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)  # of -1
ZERO = (0, 1)
TORSION = []


def add(a, b):
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2
    return (x1 * y2 + x2 * y1) * pow(1 + t, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - t, -1, P) % P


def times(n, point):
    """In extended coordinates (RFC 8032 section 5.1.4), which divide once."""
    if point in TORSION:
        n %= 8
    total, point = (0, 1, 1, 0), (point[0], point[1], 1, point[0] * point[1] % P)
    while n > 0:
        if n & 1:
            total = add_extended(total, point)
        point, n = add_extended(point, point), n >> 1
    inverse = pow(total[2], -1, P)
    return total[0] * inverse % P, total[1] * inverse % P


def add_extended(a, b):
    A, B = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    C, Z = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    E, F, G, H = B - A, Z - C, Z + C, B + A
    return E * F % P, G * H % P, F * G % P, E * H % P


def negative(point):
    return -point[0] % P, point[1]


def x_of(y):
    """The even x of a point with this y, or None (RFC 8032 section 5.1.3)."""
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 else x


def little(number):
    return number.to_bytes(32, "little")


def number(octets):
    return int.from_bytes(octets, "little")


def encode(point):
    return little(point[1] | (point[0] & 1) << 255)


def decode(octets):
    """Leniently: y past p is reduced, and the sign of x = 0 ignored."""
    y, sign = number(octets) & (2**255 - 1), octets[31] >> 7
    x = x_of(y % P)
    if x is None:
        return None
    return (-x % P if x & 1 != sign else x), y % P


BASE = decode(little(4 * pow(5, P - 2, P) % P))
T8 = decode(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"))
TORSION.extend([times(n, T8) for n in range(8)])
assert times(8, T8) == ZERO and times(4, T8) != ZERO and times(L, BASE) == ZERO


def challenge(R, A, message):
    return number(sha512(R + A + message).digest()) % L


def holds(A, R, S, k, cofactor=1):
    return times(cofactor * S, BASE) == times(cofactor, add(R, times(k, A)))


def judge(public, message, signature):
    """libsodium: canonical S and A, neither A nor R of small order, and the equation without the cofactor, by the bytes of R."""
    if len(signature) != 64 or len(public) != 32:
        return False
    R, S = signature[:32], number(signature[32:])
    A = decode(public)
    if S >= L or A is None or number(public) & (2**255 - 1) >= P or A in TORSION:
        return False
    found = add(times(S, BASE), negative(times(challenge(R, public, message), A)))
    return encode(found) == R and found not in TORSION


class Key:
    def __init__(self, name):
        self.seed = sha256(f"chunkmesh vector {name}".encode()).digest()
        half = sha512(self.seed).digest()
        self.a = (number(half[:32]) & (2**254 - 8)) | 2**254
        self.prefix = half[32:]
        self.point = times(self.a, BASE)
        self.public = encode(self.point)

    def r(self, message):
        return number(sha512(self.prefix + message).digest()) % L

    def sign(self, message, R=None, public=None):
        """RFC 8032 section 5.1.6; with `R`, S is made for that encoding of it instead."""
        r = self.r(message)
        R = encode(times(r, BASE)) if R is None else R
        return R + little((r + challenge(R, public or self.public, message) * self.a) % L)


cases = []


def case(flag, how, public, message, signature, valid=None):
    verdict = judge(public, message, signature)
    assert valid is None or verdict == valid, how
    cases.append({
        "flag": flag, "how": how, "publicKey": public.hex(), "message": message.hex(),
        "signature": signature.hex(), "valid": verdict,
    })


def grind(make, tries=4096):
    """The first of a row of short messages for which `make` gives something."""
    for n in range(tries):
        found = make(n.to_bytes(2, "big"))
        if found is not None:
            return found
    raise AssertionError("nothing found")


key = Key("alice")
other = Key("bob")
TEXT = b"who may say what"
good = key.sign(TEXT)
R0, S0 = good[:32], number(good[32:])

# Valid: lengths around the blocks of SHA-512 (R and A take 64 of its 128 bytes).
for length in (0, 1, 2, 31, 32, 47, 48, 63, 64, 65, 111, 112, 127, 128, 129, 300):
    message = bytes(n & 0xff for n in range(length))
    case("Valid", f"a message of {length} bytes", key.public, message, key.sign(message), True)
for octet in (0x00, 0x7f, 0x80, 0xff):
    case("Valid", f"a message of bytes {octet:02x}", key.public, bytes([octet] * 16), key.sign(bytes([octet] * 16)), True)


# Another message, another key.
case("WrongMessage", "signed for another message", key.public, TEXT + b"!", good, False)
case("WrongKey", "of another key", other.public, TEXT, good, False)

# Special values for R and S.
SPECIAL = [
    ("0", 0), ("1", 1), ("L - 1", L - 1), ("L", L), ("L + 1", L + 1), ("p - 1", P - 1), ("p", P), ("p + 1", P + 1),
    ("2^252", 2**252), ("2^255 - 1", 2**255 - 1), ("2^256 - 1", 2**256 - 1),
]
for r_name, r in SPECIAL:
    for s_name, s in SPECIAL:
        case("InvalidSignature", f"R = {r_name}, S = {s_name}", key.public, TEXT, little(r) + little(s), False)
for s_name, s in SPECIAL:
    case("InvalidSignature", f"a good R, S = {s_name}", key.public, TEXT, R0 + little(s), False)

# Lengths.
for length in (0, 1, 31, 32, 33, 62, 63):
    case("TruncatedSignature", f"the first {length} bytes", key.public, TEXT, good[:length], False)
case("SignatureWithGarbage", "two bytes too many", key.public, TEXT, good + b"\x20\x20", False)
case("SignatureWithGarbage", "the public key behind it", key.public, TEXT, good + key.public, False)
case("SignatureWithGarbage", "a zero byte before it", key.public, TEXT, b"\0" + good, False)
case("SignatureWithGarbage", "a zero byte before S", key.public, TEXT, R0 + b"\0" + good[32:], False)
case("SignatureWithGarbage", "a zero byte behind it", key.public, TEXT, good + b"\0", False)
for at, name in ((63, "the last byte of S"), (32, "the first byte of S"), (31, "the last byte of R"), (0, "the first byte of R")):
    message, signature = grind(lambda m: (m, key.sign(m)) if key.sign(m)[at] == 0 else None)
    case("Valid", f"a signature in which {name} is 0", key.public, message, signature, True)
    case("CompressedSignature", f"the same without {name}", key.public, message, signature[:at] + signature[at + 1:], False)

# R is changed, and S made for the changed encoding: only who reads R leniently takes them.
for bit in (0, 1, 2, 7, 8, 16, 31, 32, 63, 64, 97, 127, 240, 247, 248, 253, 254, 255):
    R = little(number(R0) ^ 1 << bit)
    case("InvalidEncoding", f"bit {bit} of R is turned, S made for it", key.public, TEXT, key.sign(TEXT, R), False)
for how, R in (("R is 0", bytes(32)), ("R is all ones", b"\xff" * 32), ("every bit of R is turned", bytes(b ^ 0xff for b in R0))):
    case("InvalidEncoding", f"{how}, S made for it", key.public, TEXT, key.sign(TEXT, R), False)

# S is the same number by the order, or would be if a bit were dropped.
for n in range(1, 16):
    case("SignatureMalleability", f"S + {n} L", key.public, TEXT, R0 + little(S0 + n * L), False)
for how, more in (("2^253", 2**253), ("2^254", 2**254), ("2^255", 2**255), ("p", P)):
    case("SignatureMalleability", f"S + {how}", key.public, TEXT, R0 + little(S0 + more), False)
case("SignatureMalleability", "L - S", key.public, TEXT, R0 + little(L - S0), False)

# Every encoding of small order: with each sign, and past p where it fits.
ENCODINGS = sorted({little(y | sign << 255) for _, y0 in TORSION for y in (y0, y0 + P) if y < 2**255 for sign in (0, 1)})
assert len(ENCODINGS) == 14
for A in ENCODINGS:
    for R in ENCODINGS:
        def forged(message):
            k = challenge(R, A, message)
            return (message, R + bytes(32)) if holds(decode(A), decode(R), 0, k) else None
        try:
            message, signature = grind(forged, 64)
            how = "A and R of small order, S = 0, and the equation holds"
        except AssertionError:
            message, signature, how = TEXT, R + bytes(32), "A and R of small order, S = 0"
        case("SmallOrderKey", how, A, message, signature, False)
for A in ENCODINGS:
    # With A's part gone, S = r fits any R of anybody's choice.
    def forged(message):
        R = encode(times(12345, BASE))
        fits = times(challenge(R, A, message), decode(A)) == ZERO
        return (message, R + little(12345)) if fits else None
    message, signature = grind(forged)
    case("SmallOrderKey", "A of small order, a good R, and the equation holds", A, message, signature, False)
for R in ENCODINGS:
    S = challenge(R, key.public, TEXT) * key.a % L
    case("SmallOrderR", "R of small order, S made for it by the key's owner", key.public, TEXT, R + little(S), False)

# Keys that are no points, or not written as they must be.
for y in (2, 7, P + 2, P + 7):
    A = little(y)
    assert decode(A) is None
    case("InvalidKey", "A is no point of the curve", A, TEXT, good, False)
for y in range(P + 2, 2**255):
    if x_of(y - P) is not None:
        for A in (little(y), little(y | 1 << 255)):
            case("InvalidKey", f"A is a point whose y is written as p + {y - P}", A, TEXT, good, False)
            case("InvalidEncoding", f"R is a point whose y is written as p + {y - P}", key.public, TEXT, key.sign(TEXT, A), False)
case("InvalidKey", "the sign of A's x is turned", little(number(key.public) ^ 1 << 255), TEXT, good, False)


# Parts of small order in A and R of one who knows his key: what the cofactor makes of it.
def mixed(i, j, cofactorless):
    """A + i T, R + j T, and S by the key: one that holds with the cofactor, and without it as wanted."""
    A = add(key.point, TORSION[i])
    def make(message):
        R = add(times(key.r(message), BASE), TORSION[j])
        k = challenge(encode(R), encode(A), message)
        S = (key.r(message) + k * key.a) % L
        # S B = r B + k a B, so what is left is j T + k i T = 0.
        return (encode(A), message, encode(R) + little(S)) if ((j + k * i) % 8 == 0) == cofactorless else None

    return grind(make, 128)


for i in range(8):
    for j in range(8):
        for cofactorless in (True, False):
            if (i, j) == (0, 0) or (i == 0 and cofactorless):
                continue
            try:
                A, message, signature = mixed(i, j, cofactorless)
            except AssertionError:
                continue
            assert holds(decode(A), decode(signature[:32]), number(signature[32:]), challenge(signature[:32], A, message), 8)
            way = "with and without the cofactor" if cofactorless else "with the cofactor alone"
            case("MixedOrder", f"A + {i} T, R + {j} T, holds {way}", A, message, signature, cofactorless)

# A of mixed order and R of small order, canonical and not: the hash is of the bytes as they are.
for R in ENCODINGS:
    for i in (1, 4):
        A = encode(add(key.point, TORSION[i]))
        def make(message):
            k = challenge(R, A, message)
            S = k * key.a % L
            # S B = k a B, so what is left is R + k i T = 0.
            return (message, R + little(S)) if add(decode(R), TORSION[k * i % 8]) == ZERO else None
        try:
            message, signature = grind(make, 128)
        except AssertionError:
            continue
        case("SmallOrderR", f"A + {i} T, R of small order, and the equation holds", A, message, signature, False)

print(json.dumps({
    "description": "Ed25519 signatures that every provider judges alike (P-13.1). Made by ed25519.py, which says how. Hex.",
    "cases": cases,
}, indent=1))
