"""The filters between a decoded clip and its renditions, in ffmpeg's language.

Belongs here: what happens to pictures and samples. Encoding and writing them: ladder.py. Sizes: geometry.py.

There are two stages. The first makes every frame like every other: upright, one size, SDR, two channels. ffmpeg builds
it anew whenever the picture or the sound changes on the way (a phone is turned, a second speaker joins), so nothing in
it may count time. The second stage sees frames that never change; it alone counts: a constant rate, one length for
picture and sound. In one graph, as it was, a turn after 3 s inserted 3 s of silence.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from jobs.media.geometry import Rung
from jobs.media.probe import HLG, Probe
from jobs.media.refusals import MAX_SECONDS

MAX_FRAME_RATE = 60
MIN_FRAME_RATE = 10
"""A slower clip repeats its frames: at one frame in 5 s, no segment could begin every 2 s."""

SAMPLE_RATE = 48000
PRIMING = 1024
"""Samples of silence that an AAC encoder puts before the sound, by which browsers hear it late. So many are cut off
the beginning instead: the first 21 ms of a clip are silent, and all that follows is in time."""

POSTER_SAMPLE_SECONDS = 0.5
POSTER_SAMPLES = 60

MATRICES = {1: "bt709", 4: "fcc", 5: "bt601", 6: "smpte170m", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
"""H.273 matrix coefficients to the names of ffmpeg's scale filter."""

WIDE_MATRICES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020nc", 10: "bt2020c"}
"""The same to zscale's names."""

WIDE_FORMATS = "yuv420p|yuv422p|yuv444p|yuv420p10le|yuv422p10le|yuv444p10le|yuv420p12le|yuv422p12le|yuv444p12le"
"""What zscale is given: a matrix that is named must not meet RGB."""

PRIMARIES = {9: "bt2020", 11: "smpte431", 12: "smpte432"}
"""H.273 colour primaries far from BT.709's to zscale's names. The others differ by less than players care about."""

HD_SHORT_SIDE = 720
"""A clip that names no matrix is BT.709 from here on and BT.601 below, as decoders in phones and browsers assume."""

STEREO = "pan=stereo|FL=FL+FC+0.707FLC+0.707BL+0.707SL+0.5BC+DL|FR=FR+FC+0.707FRC+0.707BR+0.707SR+0.5BC+DR"
"""Any layout on two channels; a channel that is not there counts nothing. The centre, which is all that mono has, is as
loud as the same sound on both sides: ffmpeg's own mix takes 3 dB off it, and voices are in the centre."""

EXACT_SCALE = "flags=bicubic+accurate_rnd+bitexact"


def frame_rate(seen: Probe) -> Fraction:
    """Frames per second of every rendition: the clip's own, or a multiple of it when that is very low."""
    rate = min(seen.frame_rate, Fraction(MAX_FRAME_RATE))
    return rate * ceil(MIN_FRAME_RATE / rate)


def frames(seen: Probe) -> int:
    """How many frames every rendition has."""
    return max(1, round(min(seen.seconds, MAX_SECONDS) * frame_rate(seen)))


def fit(top: Rung) -> str:
    """w= and h= of a filter that shrinks a frame of any shape into the top rung, in square pixels.

    A frame that fits but for the rounding to even pixels fills the rung, else a line of it would stay black.
    """
    shape = "if(between(sar,0.1,10),dar,a)"
    fills = f"lt(min(abs({top.height}*{shape}-{top.width}),abs({top.width}/({shape})-{top.height})),3)"
    width = f"if({fills},{top.width},max(2,min({top.width},2*round({top.height}*({shape})/2))))"
    height = f"if({fills},{top.height},max(2,min({top.height},2*round({top.width}/({shape})/2))))"
    return f"w='{width}':h='{height}'"


def like_pictures(seen: Probe, top: Rung) -> str:
    """First stage, pictures: the top rung's size, upright, square pixels, SDR BT.709 limited range; black where it does
    not reach.

    ffmpeg turns the frames itself before the graph (autorotate). HDR is shrunk before it is tone-mapped, which then
    costs a tenth. Reference white is 203 nits for PQ and HLG alike (ITU-R BT.2408); the Moebius curve leaves what is
    darker than a third of it as it is, so that faces keep their brightness where Hable's dims them by a stop.
    """
    steps = [f"[0:{seen.video_stream}]"]
    if seen.is_interlaced:
        steps.append("bwdif=mode=send_frame:deint=interlaced,")
    if seen.is_hdr:
        # Named, not taken from the frames: a clip that says PQ and no primaries would stop the filter.
        name = "arib-std-b67" if seen.transfer == HLG else "smpte2084"
        steps.append(
            f"zscale={fit(top)}:tin={name}:pin=bt2020:min=bt2020nc:t=linear:npl=203,format=gbrpf32le,"
            "zscale=p=bt709,tonemap=mobius:desat=0,zscale=t=bt709:m=bt709:r=tv,"
        )
    elif seen.primaries in PRIMARIES:
        matrix = WIDE_MATRICES.get(seen.matrix, "bt2020nc")
        # BT.2020's curve is BT.709's (H.273), and named for the same reason.
        given = (
            f"tin=bt709:pin={PRIMARIES[seen.primaries]}:min={matrix}:rin={'full' if seen.is_full_range else 'limited'}"
        )
        steps.append(f"format={WIDE_FORMATS},zscale={fit(top)}:{given}:t=bt709:p=bt709:m=bt709:r=limited,")
    else:
        matrix = MATRICES.get(seen.matrix, "bt709" if min(seen.width, seen.height) >= HD_SHORT_SIDE else "smpte170m")
        given = f"in_color_matrix={matrix}:in_range={'pc' if seen.is_full_range else 'tv'}"
        steps.append(f"scale={fit(top)}:{given}:out_color_matrix=bt709:out_range=tv:{EXACT_SCALE}:eval=frame,")
    steps.append(
        f"setsar=1,pad={top.width}:{top.height}:-1:-1:eval=frame,format=yuv420p,"
        "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709,"
        # Without an end: ffmpeg tells the second stage of none, which cuts to the frame instead.
        "tpad=stop=-1:stop_mode=clone[like]"
    )
    return "".join(steps)


def timed_pictures(seen: Probe, ladder: list[Rung]) -> str:
    """Second stage, pictures: one constant rate from 0 on; outputs [v0], [v1]... of the rungs, and [poster]."""
    count = len(ladder)
    parts = "".join(f"[part{index}]" for index in range(count + 1))
    chains = [f"[like]fps={frame_rate(seen)}:start_time=0,trim=end_frame={frames(seen)},split={count + 1}{parts}"]
    for index, rung in enumerate(ladder):
        shrink = "null" if rung is ladder[-1] else f"scale={rung.width}:{rung.height}:{EXACT_SCALE}"
        chains.append(f"[part{index}]{shrink}[v{index}]")
    chains.append(
        f"[part{count}]select='isnan(prev_selected_t)+gte(t-prev_selected_t,{POSTER_SAMPLE_SECONDS})',"
        # JPEG viewers take full range and BT.601 for granted.
        f"thumbnail={POSTER_SAMPLES},scale=out_range=pc:out_color_matrix=smpte170m:{EXACT_SCALE}[poster]"
    )
    return ";".join(chains)


def like_sounds(seen: Probe) -> str:
    """First stage, sound, read by an input of its own: two channels at one rate, then silence without an end."""
    form = f"aformat=fltp:{SAMPLE_RATE}:stereo"
    # In floats from the start: sums of whole numbers would be cut off before they are turned down.
    return f"[1:{seen.audio_stream}]aformat=fltp,{STEREO},aresample={SAMPLE_RATE},{form},apad[heard]"


def timed_sounds(seen: Probe, count: int) -> str:
    """Second stage, sound: silence where the clip has none, from 0 to the pictures' end, as outputs [a0], [a1]...

    Channels that add up to more than full scale are held below it.
    """
    end = f"{float(frames(seen) / frame_rate(seen)):.6f}"
    outputs = "".join(f"[a{index}]" for index in range(count))
    return (
        "[heard]aresample=async=1:first_pts=0,alimiter=level=0:latency=1,"
        f"atrim=start_sample={PRIMING}:end={end},asplit={count}{outputs}"
    )
