"""What a file that libav cannot open seems to be, from its first bytes.

Belongs here: telling its creator more than "unknown". Only the words of a refusal depend on it.
"""

from __future__ import annotations

from jobs.media.refusals import Reason, Refused

HEAD_BYTES = 32

IMAGES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
}

FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"moof", b"wide", b"free", b"skip", b"styp")
"""What an MP4 or QuickTime file begins with (ISO/IEC 14496-12)."""


def unopened(head: bytes, error: str) -> Refused:
    """The refusal of a file that begins with `head` and that libav could not open with that error."""
    for magic, name in IMAGES.items():
        if head.startswith(magic):
            return Refused(Reason.STILL_IMAGE, f"a picture ({name}), not a video")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Refused(Reason.STILL_IMAGE, "a picture (WebP), not a video")
    if head[4:8] in FIRST_BOXES:
        return Refused(
            Reason.DAMAGED_INDEX, "it looks like MP4, but its index cannot be read: cut off or damaged on its way"
        )
    if head[:4] == b"\x1a\x45\xdf\xa3" or (head[:4] == b"RIFF" and head[8:12] == b"AVI ") or head[:3] == b"FLV":
        return Refused(Reason.DAMAGED_INDEX, "its header cannot be read: cut off or damaged on its way")
    return Refused(Reason.NOT_MEDIA, f"no known video container ({error})")
