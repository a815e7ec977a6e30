/**
 * A few video elements that take turns: one for the clip that is shown, and for those around it, which are loaded before
 * anybody asks for them.
 *
 * Belongs here: playing HLS. hls.js does it wherever a page may feed a video element; else (iPhones before iOS 17.1)
 * the browser plays HLS itself. Why: docs/decisions/0038. Which clips are near: reel.js.
 *
 * @typedef {import("./api.js").Clip} Clip
 */

/** Seconds to have ahead: of the clip that plays, and of one that may never be looked at. */
const AHEAD_S = 20;
const AHEAD_UNSEEN_S = 2;

const mayFeed = "ManagedMediaSource" in window || "MediaSource" in window;
/** @type {Promise<?typeof import("hls.js").default>} */
const hlsJs = mayFeed ? import("./vendor/hls.mjs").then((module) => module.default).catch(() => null) : Promise.resolve(null);
/** Bit/s as the clips before came: the first segment of the next one is of a size that fits. @type {number | undefined} */
let bandwidth;

/** One video element. It dispatches "broken" when its clip cannot be played. */
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

  /** @param {string} address @param {boolean} isShown */
  async load(address, isShown) {
    this.#ahead = isShown ? AHEAD_S : AHEAD_UNSEEN_S;
    if (this.#hls) this.#hls.config.maxBufferLength = this.#ahead;
    if (this.#address === address) return;
    this.unload();
    this.#address = address;
    const Hls = await hlsJs;
    if (this.#address !== address) return;
    if (!Hls?.isSupported()) {
      this.element.src = address;
      return;
    }
    this.#hls = new Hls({
      maxBufferLength: this.#ahead,
      capLevelToPlayerSize: true,
      // Segments are MP4 already; and a worker would be a script of a `blob:` address.
      enableWorker: false,
      startLevel: -1,
      // Half, since the clips around it come at the same time.
      ...(bandwidth ? { abrEwmaDefaultEstimate: bandwidth / 2 } : {}),
    });
    let isMended = false;
    this.#hls.on(Hls.Events.FRAG_BUFFERED, () => (bandwidth = this.#hls?.bandwidthEstimate || bandwidth));
    this.#hls.on(Hls.Events.ERROR, (_, { fatal, type }) => {
      if (!fatal) return;
      if (type === Hls.ErrorTypes.MEDIA_ERROR && !isMended) this.#hls?.recoverMediaError();
      else this.#break();
      isMended = true;
    });
    this.#hls.loadSource(address);
    this.#hls.attachMedia(this.element);
  }

  unload() {
    this.#address = null;
    this.#hls?.destroy();
    this.#hls = null;
    this.element.pause();
    this.element.removeAttribute("src");
    this.element.load();
    this.element.remove();
  }

  #break() {
    this.#address = null; // The next time that it is near, it is tried again.
    this.element.dispatchEvent(new Event("broken"));
  }
}

export class Players {
  /** @type {Map<Clip, Player>} */
  #of = new Map();
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
      player.load(clip.playback_url, clip === shown);
    }
    return new Map(Array.from(this.#of, ([clip, player]) => [clip, player.element]));
  }
}
