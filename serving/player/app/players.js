/**
 * A few video elements that take turns: one for the clip that is shown, and for those around it, which are loaded before
 * anybody asks for them.
 *
 * Belongs here: playing HLS. hls.js does it wherever a page may feed a video element; else (iPhones before iOS 17.1)
 * the browser plays HLS itself. Why: docs/decisions/0038, and of what is loaded when: 0048. Which clips are near: reel.js.
 *
 * @typedef {import("./api.js").Clip} Clip
 */

/** Seconds to have ahead of the clip that plays: so many, or as many as people watch of it, yet enough for a slow moment. */
const AHEAD_S = 20;
const AHEAD_LEAST_S = 5;
/** Seconds to have of a clip that may never be looked at: without advice, and how long the link may be busy with more. */
const AHEAD_UNSEEN_S = 2;
const LINK_UNSEEN_S = 1;
/** A segment may be shorter by a frame, and the next one is not asked for on its account. */
const SLACK_S = 0.1;

const mayFeed = "ManagedMediaSource" in window || "MediaSource" in window;
/** @type {Promise<?typeof import("hls.js").default>} */
const hlsJs = mayFeed ? import("./vendor/hls.mjs").then((module) => module.default).catch(() => null) : Promise.resolve(null);
/** Bit/s as the clips before came: the first segment of the next one is of a size that fits. @type {number | undefined} */
let bandwidth;

/** Seconds to have ahead of a clip. @param {Clip} clip @param {boolean} isShown */
function ahead({ preload }, isShown) {
  const watched = preload?.watch_seconds ?? Infinity;
  if (isShown) return Math.min(AHEAD_S, Math.max(AHEAD_LEAST_S, watched));
  if (!preload) return AHEAD_UNSEEN_S - SLACK_S;
  const advised = Object.entries(preload.bytes).map(([seconds, bytes]) => ({ seconds: Number(seconds), bytes }));
  const affordable = advised.filter(({ bytes }) => bandwidth && (bytes * 8) / bandwidth <= LINK_UNSEEN_S);
  const most = Math.max(1, ...affordable.map(({ seconds }) => seconds));
  return Math.min(most, Math.max(1, watched)) - SLACK_S;
}

/**
 * The level to start with: the advised one, or a lower one where the link is known to be slower; -1 lets hls.js choose.
 *
 * @param {import("hls.js").Level[]} levels Smallest first. @param {Clip} clip
 */
function startOf(levels, { preload }) {
  let start = levels.findIndex((level) => preload && level.uri.endsWith(preload.playlist_url));
  while (start > 0 && bandwidth && levels[start].bitrate > bandwidth) start--;
  return start;
}

/** One video element. It dispatches "broken" when its clip cannot be played, "released" when it is let go. */
class Player {
  element = document.createElement("video");
  /** @type {?string} */
  #address = null;
  #ahead = AHEAD_UNSEEN_S;
  /** @type {?import("hls.js").default} */
  #hls = null;

  constructor() {
    Object.assign(this.element, { playsInline: true, loop: true, muted: true, preload: "auto", tabIndex: -1 });
    // iOS gives no ManagedMediaSource to what might be sent to another screen.
    this.element.disableRemotePlayback = true;
    this.element.addEventListener("error", () => this.#address && this.#break());
  }

  /** @param {number} seconds To have ahead from now on. */
  limit(seconds) {
    this.#ahead = seconds;
    if (this.#hls) this.#hls.config.maxBufferLength = seconds;
  }

  /** When the first frame is there, or none will come. */
  first() {
    const { element } = this;
    if (element.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) return Promise.resolve();
    const heard = new AbortController();
    return new Promise((resolve) => {
      for (const event of ["loadeddata", "broken", "released"]) element.addEventListener(event, resolve, { signal: heard.signal });
    }).finally(() => heard.abort());
  }

  /** @param {Clip} clip One that has a `playback_url`. @param {?typeof import("hls.js").default} Hls */
  load(clip, Hls) {
    const address = String(clip.playback_url);
    if (this.#address === address) return;
    this.#empty();
    this.#address = address;
    if (!Hls?.isSupported()) {
      this.element.src = address;
      return;
    }
    const hls = (this.#hls = new Hls({
      maxBufferLength: this.#ahead,
      // By default 60 MB, however many seconds these are: all of a clip that is never looked at.
      maxBufferSize: 0,
      capLevelToPlayerSize: true,
      // Segments are MP4 already; and a worker would be a script of a `blob:` address.
      enableWorker: false,
      // The segment that it would load first to measure the link it throws away.
      testBandwidth: false,
      // Half, since the clip that plays comes at the same time.
      ...(bandwidth ? { abrEwmaDefaultEstimate: bandwidth / 2 } : {}),
    }));
    hls.on(Hls.Events.MANIFEST_PARSED, () => (hls.startLevel = startOf(hls.levels, clip)));
    let isMended = false;
    hls.on(Hls.Events.FRAG_BUFFERED, () => (bandwidth = hls.bandwidthEstimate || bandwidth));
    hls.on(Hls.Events.ERROR, (_, { fatal, type }) => {
      if (!fatal) return;
      if (type === Hls.ErrorTypes.MEDIA_ERROR && !isMended) hls.recoverMediaError();
      else this.#break();
      isMended = true;
    });
    // Together with the master playlist rather than after it; hls.js then finds it in the browser's cache.
    if (clip.preload) fetch(clip.preload.playlist_url).catch(() => null);
    hls.loadSource(address);
    hls.attachMedia(this.element);
  }

  unload() {
    this.#empty();
    this.element.remove();
    this.element.dispatchEvent(new Event("released"));
  }

  #empty() {
    this.#address = null;
    this.#hls?.destroy();
    this.#hls = null;
    this.element.pause();
    this.element.removeAttribute("src");
    this.element.load();
  }

  #break() {
    this.#address = null; // The next time that it is near, it is tried again.
    this.element.dispatchEvent(new Event("broken"));
  }
}

export class Players {
  /** @type {Map<Clip, Player>} */
  #of = new Map();
  /** How often clips were asked for. */
  #turn = 0;
  #all;
  #idle;

  /** @param {number} count How many clips are held at most. */
  constructor(count) {
    this.#all = Array.from({ length: count }, () => new Player());
    this.#idle = [...this.#all];
  }

  /**
   * For all of them at once, while a person presses something: iOS lets an element be heard that was unmuted then.
   *
   * @param {boolean} isMuted
   */
  mute(isMuted) {
    for (const { element } of this.#all) element.muted = isMuted;
  }

  /**
   * Have these clips loaded, and let go of all others.
   *
   * @param {Clip[]} clips @param {Clip} [shown] The one of them that plays now.
   * @returns {Map<Clip, HTMLVideoElement>} Where each plays.
   */
  hold(clips, shown) {
    for (const [clip, player] of this.#of) {
      if (clips.includes(clip)) continue;
      player.unload();
      this.#of.delete(clip);
      this.#idle.push(player);
    }
    for (const clip of clips) {
      if (!clip.playback_url) continue;
      const player = this.#of.get(clip) ?? this.#idle.pop();
      if (!player) throw new RangeError("more clips than players");
      this.#of.set(clip, player);
      player.limit(ahead(clip, clip === shown));
    }
    // None where the tail is shown; then the last clip is the nearest.
    const place = shown ? clips.indexOf(shown) : -1;
    this.#loadInTurn([...clips.slice(place), ...clips.slice(0, place).reverse()]);
    return new Map(Array.from(this.#of, ([clip, player]) => [clip, player.element]));
  }

  /**
   * One after the other, until others are asked for: at the same time all of them would be late.
   *
   * @param {Clip[]} clips The one to have first, first.
   */
  async #loadInTurn(clips) {
    const turn = ++this.#turn;
    const Hls = await hlsJs;
    if (turn !== this.#turn) return;
    for (const clip of clips) {
      const player = this.#of.get(clip);
      if (!player) continue;
      player.load(clip, Hls);
      await player.first();
      if (turn !== this.#turn) return;
    }
  }
}
