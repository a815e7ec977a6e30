/**
 * One clip on the screen: its picture, its words and its buttons.
 *
 * Belongs here: what is shown of a clip, and playing it in place. What the buttons do: reel.js. The markup: the template
 * of index.html.
 *
 * @typedef {import("./api.js").Clip} Clip
 */

const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const template = /** @type {HTMLTemplateElement} */ (document.getElementById("clip"));
/** Wider than this for its height, a picture is shown whole; an upright one fills the screen of a phone. */
const WIDE = 0.8;

/** A hue for a name, the same every time. @param {string} name */
export function hueOf(name) {
  return String(Array.from(name).reduce((hash, letter) => (hash * 31 + letter.codePointAt(0)) % 360, 7));
}

export class Slide {
  /** @type {?HTMLVideoElement} Where the clip plays while it is near. */
  video = null;
  /** @type {?AbortController} */
  #handlers = null;
  /** A like of this visit, which no night has counted yet. */
  #added = 0;
  /** The next picture of the bar that shows how far the clip is. */
  #frame = 0;

  /** @param {Clip} clip */
  constructor(clip) {
    this.clip = clip;
    this.title = clip.title || "Untitled";
    this.element = /** @type {HTMLElement} */ (template.content.firstElementChild.cloneNode(true));
    this.element.dataset.videoId = clip.video_id;
    this.element.setAttribute("aria-label", `${this.title}, by ${clip.user_id}`);
    this.element.style.setProperty("--hue", hueOf(clip.video_id));
    this.mark("has-no-media", !clip.playback_url);
    this.#part("title").textContent = this.title;
    this.#part("creator").textContent = `@${clip.user_id}`;
    this.#part("avatar").textContent = clip.user_id.slice(0, 1).toUpperCase();
    this.#part("avatar").style.setProperty("--hue", hueOf(clip.user_id));
    const poster = this.#part("poster");
    poster.addEventListener("load", () => this.mark("is-wide", poster.naturalWidth / poster.naturalHeight > WIDE));
    if (!clip.poster_url) for (const picture of [poster, this.#part("glow")]) picture.remove();
    this.show(false);
    this.describe(clip);
  }

  /** Show what only a card says. @param {Clip} card */
  describe({ hashtags, views, likes }) {
    Object.assign(this.clip, { hashtags, views, likes });
    this.#part("tags").textContent = (hashtags ?? []).map((tag) => `#${tag}`).join(" ");
    this.#part("views").textContent = views ? `${short.format(views)} views` : "";
    this.#count();
  }

  /** @param {string} name A class of player.css. @param {boolean} is */
  mark(name, is) {
    this.element.classList.toggle(name, is);
  }

  /** Have its still picture come, which weighs as much as a second of the clip. */
  picture() {
    const { poster_url } = this.clip;
    if (poster_url) for (const name of ["poster", "glow"]) this.#part(name).src ||= poster_url;
  }

  /** @param {boolean} isCurrent Nobody reaches the buttons of another one. */
  show(isCurrent) {
    if (isCurrent) this.picture();
    this.mark("is-current", isCurrent);
    this.element.inert = !isCurrent;
  }

  /** @param {boolean} isNew Whether it was just now. */
  like(isNew) {
    this.#added = Number(isNew);
    this.#part("like").setAttribute("aria-pressed", "true");
    this.#count();
  }

  #count() {
    const likes = (this.clip.likes ?? 0) + this.#added;
    const count = likes ? short.format(likes) : "";
    this.#part("like").setAttribute("aria-label", count ? `Like, ${count}` : "Like");
    this.#part("likes").textContent = count || "Like";
  }

  /** A heart where somebody tapped. @param {number} x @param {number} y Pixels of the window. */
  burst(x, y) {
    const heart = this.#part("burst");
    const box = heart.parentElement.getBoundingClientRect();
    Object.assign(heart.style, { left: `${x - box.left}px`, top: `${y - box.top}px` });
    for (const animation of heart.getAnimations({ subtree: true })) animation.cancel();
    heart.classList.remove("is-bursting");
    void heart.offsetWidth; // Else the class would never have been away, and no animation would begin.
    heart.classList.add("is-bursting");
  }

  /** @param {boolean} isOn @param {boolean} asks Whether it asks the person to press it. */
  sound(isOn, asks) {
    this.#part("sound").setAttribute("aria-pressed", String(isOn));
    this.#part("sound").setAttribute("aria-label", asks ? "Tap for sound" : "Sound");
    this.mark("asks-for-sound", asks);
  }

  /**
   * Have the clip in this element from now on.
   *
   * @param {HTMLVideoElement} video @param {() => void} ready It has a first picture.
   * @param {(runs: boolean) => void} ran It plays, or does not any more.
   */
  mount(video, ready, ran) {
    if (this.video === video) return;
    this.unmount();
    this.video = video;
    this.#handlers = new AbortController();
    const { signal } = this.#handlers;
    /** @param {string} event @param {() => void} act */
    const on = (event, act) => video.addEventListener(event, act, { signal });
    on("loadeddata", () => {
      this.mark("has-picture", true);
      this.mark("is-broken", false);
      ready();
    });
    on("broken", () => this.mark("is-broken", true));
    on("waiting", () => {
      this.mark("is-waiting", true);
      ran(false);
    });
    on("pause", () => ran(false));
    on("playing", () => {
      this.mark("is-waiting", false);
      this.mark("is-paused", false);
      ran(true);
      this.#progress();
    });
    this.#part("video").replaceChildren(video);
  }

  unmount() {
    this.#handlers?.abort();
    cancelAnimationFrame(this.#frame);
    this.video = null;
    for (const name of ["has-picture", "is-broken", "is-waiting", "is-paused"]) this.mark(name, false);
  }

  /** @returns {Promise<boolean>} Whether the browser lets it; it lets nobody be heard before a first press. */
  async play() {
    try {
      await this.video?.play();
      return true;
    } catch (error) {
      return error.name !== "NotAllowedError";
    }
  }

  leave() {
    this.pause(false);
    this.mark("is-leaving", true);
  }

  get isLeaving() {
    return this.element.classList.contains("is-leaving");
  }

  /** Whether the person has paused it. */
  get isHeld() {
    return this.element.classList.contains("is-paused");
  }

  /** @param {boolean} byHand Whether the person asked for it. */
  pause(byHand) {
    this.video?.pause();
    this.mark("is-paused", byHand);
  }

  #progress() {
    cancelAnimationFrame(this.#frame); // A clip that waited plays again: the one asked for before may still come.
    const video = this.video;
    if (!video || video.paused) return;
    this.#part("progress").style.transform = `scaleX(${video.currentTime / (video.duration || 1)})`;
    this.#frame = requestAnimationFrame(() => this.#progress());
  }

  /** @param {string} name @returns {any} */
  #part(name) {
    return this.element.querySelector(`[data-part="${name}"]`) ?? document.createElement("i");
  }
}
