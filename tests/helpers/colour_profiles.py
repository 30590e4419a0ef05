"""ICC profiles made by hand, and the same conversions to sRGB by the formulas."""

import struct

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
SRGB = np.array([[0.4361, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]])
ADOBE = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
P3 = np.array(
    [[0.51512, 0.29198, 0.1571], [0.2412, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
"""Red, green and blue (columns) as XYZ under D50: ICC's sRGB, Adobe RGB (1998), Display P3."""


def decode_srgb(values: np.ndarray) -> np.ndarray:
    """sRGB values 0..1 as light, IEC 61966-2-1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encode_srgb(light: np.ndarray) -> np.ndarray:
    """Light as sRGB values 0..255; what sRGB cannot show is clipped."""
    light = light.clip(0, 1)
    values = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(values * 255).astype(np.uint8)


def number(value: float) -> bytes:
    """ICC's s15Fixed16Number."""
    return struct.pack(">i", round(value * 65536))


def xyz(values: object) -> bytes:
    """An ICC tag of XYZ."""
    return b"XYZ \0\0\0\0" + b"".join(number(float(value)) for value in values)  # type: ignore[attr-defined]


def curve(values: np.ndarray) -> bytes:
    """An ICC tag of a tone curve, 0..1."""
    points = np.round(values * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(points)) + points.tobytes()


def profile(name: str, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile, version 2."""
    title = name.encode() + b"\0"
    described = b"desc\0\0\0\0" + struct.pack(">I", len(title)) + title + bytes(78)
    tags = {b"desc": described, b"cprt": b"text\0\0\0\0none\0", b"wtpt": xyz(D50)} | tags
    start, table, body = 132 + 12 * len(tags), b"", b""
    for key, data in tags.items():
        table += key + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    head = struct.pack(">I", start + len(body)) + b"test\x02\x10\0\0" + kind + space + connection
    head = (head + bytes(12) + b"acsp").ljust(68, b"\0") + xyz(D50)[8:]
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


STEPS = np.linspace(0, 1, 1024)


def rgb_profile(name: str, primaries: np.ndarray, tone: np.ndarray) -> bytes:
    """An RGB profile of three primaries and one tone curve over `STEPS`."""
    tags = {b"rgb"[i : i + 1] + b"XYZ": xyz(primaries[:, i]) for i in range(3)}
    tags |= {b"rgb"[i : i + 1] + b"TRC": curve(tone) for i in range(3)}
    return profile(name, b"RGB ", b"XYZ ", tags)


def grey_profile(gamma: float) -> bytes:
    """A grey profile."""
    return profile("grey", b"GRAY", b"XYZ ", {b"kTRC": curve(STEPS**gamma)})


INKS = {(255, 0, 0, 0): (60, -30, -40), (0, 255, 0, 0): (50, 60, 0), (0, 0, 0, 0): (100, 0, 0)}
"""Lab of cyan, magenta and paper in `cmyk_profile`; anything with full black is black."""


def cmyk_profile() -> bytes:
    """A printer whose inks have the colours of `INKS`, as a table with two points for each ink."""
    table = bytearray()
    for corner in range(16):
        ink = tuple(255 * (corner >> place & 1) for place in (3, 2, 1, 0))
        light, a, b = (0, 0, 0) if ink[3] else INKS.get(ink, (30, 0, 0))  # type: ignore[call-overload]
        table += bytes([round(light * 2.55), a + 128, b + 128])
    identity = b"".join(number(float(i in (0, 4, 8))) for i in range(9))
    line = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + line * 4 + bytes(table) + line * 3
    return profile("Press", b"CMYK", b"Lab ", {b"A2B0": lut})


def lab_to_srgb(light: float, a: float, b: float) -> np.ndarray:
    """CIE Lab under D50 as sRGB."""
    f = np.array([(light + 16) / 116 + a / 500, (light + 16) / 116, (light + 16) / 116 - b / 200])
    values = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50
    return encode_srgb(np.linalg.solve(SRGB, values))
