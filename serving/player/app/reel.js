/**
 * A column of clips, one on the screen at a time, and what a person does with the one that is shown.
 *
 * Belongs here: which clip is shown, when more are asked for, and what each press means. How a clip looks: slide.js. How
 * it is played: players.js. Where clips come from: sources.js.
 *
 * @typedef {import("./api.js").Clip} Clip
 * @typedef {import("./sheets.js").Mute} Mute
 * @typedef {import("./sources.js").Source} Source
 */

import { cards } from "./api.js";
import { listen } from "./gestures.js";
import { recall, remember } from "./memory.js";
import { Players } from "./players.js";
import * as sheets from "./sheets.js";
import { Slide } from "./slide.js";
import { Tail } from "./tail.js";
import { Watch } from "./watch.js";

/** Clips that are loaded beside the one shown. */
const BEFORE = 1;
const AFTER = 2;
/** With at most so many clips to come, more are asked for. */
const TO_COME = 5;
const LEAVING_MS = 260;
const LIKES_KEPT = 2_000;
/** As many as a person looks through. */
const MUTES_KEPT = 30;
/** Who comes back later begins a new watch: one of yesterday does not become longer today. */
const AWAY_MS = 1_800_000;

const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

export class Reel {
  #root;
  #source;
  #viewer;
  #outbox;
  #players = new Players(BEFORE + 1 + AFTER);
  /** Aborted when the reel is closed. */
  #life = new AbortController();
  #tail = new Tail(() => this.#again(), this.#life.signal);
  /** @type {Slide[]} */
  #slides = [];
  /** The place of what is shown; the one after the last slide is the tail's. */
  #at = -1;
  /** The place to which the reel is on its way by itself. @type {?number} */
  #goal = null;
  /** @type {?Watch} */
  #watch = null;
  #isAsking = false;
  #isAtEnd = false;
  #rests = false;
  #restedAt = 0;
  #hear = () => this.#applySound();
  /** A telephone that is turned shows the same clip. */
  #resizes = new ResizeObserver(() => this.#align());
  /** What the buttons of a slide do. @type {Record<string, () => void>} */
  #acts = {
    like: () => this.like(),
    share: () => this.#share(),
    refuse: () => this.#refuse(),
    sound: () => this.toggleSound(),
    mute: () => this.#mute(),
    why: () => this.#current && sheets.why(this.#current.clip),
  };

  /**
   * @param {HTMLElement} root @param {Source} source @param {string} viewer
   * @param {import("./outbox.js").Outbox} outbox
   */
  constructor(root, source, viewer, outbox) {
    this.#root = root;
    this.#source = source;
    this.#viewer = viewer;
    this.#outbox = outbox;
    root.replaceChildren(this.#tail.element);
    root.onscroll = () => this.#scrolled();
    root.ontouchstart = () => (this.#goal = null);
    listen(root, {
      step: (step) => this.go(step),
      tap: () => this.togglePause(),
      doubleTap: (x, y) => {
        this.like();
        this.#current?.burst(x, y);
      },
      act: (act) => this.#acts[act]?.(),
    });
    this.#resizes.observe(root);
    this.#more();
  }

  /** Stop while out of sight and tell what was watched, or go on. @param {boolean} rests */
  rest(rests) {
    if (this.#rests === rests) return;
    this.#rests = rests;
    if (!rests) {
      if (Date.now() - this.#restedAt > AWAY_MS) this.#leave(false);
      this.#entitle();
      this.#align(); // What was not displayed has forgotten where it stood.
      this.#begin();
      return;
    }
    this.#restedAt = Date.now();
    this.#current?.video?.pause();
    this.#watch?.halt();
    this.#watch?.tell();
  }

  /** @param {number} step 1 for the next clip, -1 for the one before. */
  go(step) {
    const to = Math.min(Math.max((this.#goal ?? this.#place) + step, 0), this.#slides.length);
    this.#goal = to;
    this.#show(to);
    this.#root.scrollTo({ top: to * this.#root.clientHeight, behavior: isCalm() ? "instant" : "smooth" });
    if (document.activeElement === document.body) this.#focus();
  }

  /** Let go of everything: another reel comes. */
  close() {
    this.#life.abort();
    this.#resizes.disconnect();
    this.#leave(false);
    this.#players.hold([]);
  }

  togglePause() {
    if (!this.#current?.video) return;
    if (this.#current.video.paused) this.#play();
    else this.#current.pause(true);
  }

  toggleSound() {
    remember("sound", this.#current?.video?.muted ?? true);
    this.#applySound();
  }

  /** For good: the platform has no event that takes a like back. */
  like() {
    const slide = this.#current;
    if (!slide || this.#likes.includes(slide.clip.video_id)) return;
    remember(`likes:${this.#viewer}`, [...this.#likes, slide.clip.video_id].slice(-LIKES_KEPT));
    slide.like(true);
    this.#tell("like", slide.clip);
  }

  async #share() {
    const clip = this.#current?.clip;
    if (clip && (await sheets.share(clip))) this.#tell("share", clip);
  }

  /** The clip leaves at once, and comes back on no day. */
  #refuse() {
    const slide = this.#current;
    if (!slide || slide.isLeaving) return;
    this.#tell("not_interested", slide.clip);
    this.#dismiss(slide);
    sheets.say("You will not see this clip again.");
  }

  #mute() {
    const slide = this.#current;
    if (!slide || slide.isLeaving) return;
    const { clip } = slide;
    const choose = (/** @type {Mute} */ mute) => {
      const { hashtag, subject } = mute;
      this.#tellOfMute("mute", mute, clip);
      this.#rememberMutes([...this.#mutesBut(subject), mute]);
      // Pages that are to come have none of it; those that are here may.
      const isMuted = (/** @type {Clip} */ one) => (hashtag === null ? one.user_id === clip.user_id : one.hashtags?.includes(hashtag));
      for (const one of this.#slides.slice(this.#at + 1)) if (isMuted(one.clip)) this.#remove(one);
      this.#dismiss(slide);
      sheets.say(`You will see nothing more of ${subject}.`);
    };
    sheets.mute(clip, this.#mutes, choose, (mute) => {
      this.#tellOfMute("unmute", mute, mute);
      this.#rememberMutes(this.#mutesBut(mute.subject));
      sheets.say(`${mute.subject} may be shown to you again, from tomorrow on.`);
    });
  }

  /** @param {"mute" | "unmute"} what @param {Mute} mute @param {Clip | Mute} clip Where it was said. */
  #tellOfMute(what, { hashtag }, clip) {
    if (hashtag === null) this.#tell(`${what}_creator`, clip);
    else this.#tell(`${what}_hashtag`, clip, { hashtag });
  }

  /** @returns {Mute[]} What this viewer muted here, oldest first. */
  get #mutes() {
    return recall(`mutes:${this.#viewer}`, []);
  }

  /** @param {string} subject */
  #mutesBut(subject) {
    return this.#mutes.filter((one) => one.subject !== subject);
  }

  /** @param {Mute[]} mutes */
  #rememberMutes(mutes) {
    remember(`mutes:${this.#viewer}`, mutes.slice(-MUTES_KEPT));
  }

  /** @param {Slide} slide The one that is shown. */
  #dismiss(slide) {
    this.#leave(false);
    slide.leave();
    setTimeout(() => this.#life.signal.aborted || this.#remove(slide), isCalm() ? 0 : LEAVING_MS);
  }

  /** @returns {Slide | undefined} None while the tail is shown. */
  get #current() {
    return this.#slides[this.#at];
  }

  /** The place that most of the screen shows. */
  get #place() {
    return Math.round(this.#root.scrollTop / (this.#root.clientHeight || 1));
  }

  /** @returns {string[]} What this viewer liked here, by video_id. */
  get #likes() {
    return recall(`likes:${this.#viewer}`, []);
  }

  #scrolled() {
    if (this.#rests || (this.#goal !== null && this.#goal !== this.#place)) return;
    this.#goal = null;
    this.#show(this.#place);
  }

  /** @param {number} place */
  #show(place) {
    if (this.#at === place) return;
    const hadFocus = this.#root.contains(document.activeElement);
    this.#leave(place > this.#at);
    this.#current?.pause(false);
    this.#current?.show(false);
    this.#at = place;
    this.#hold();
    const slide = this.#current;
    this.#tail.show(!slide);
    this.#entitle();
    if (slide) {
      slide.show(true);
      this.#begin();
    }
    if (hadFocus) this.#focus(); // What had it can be reached no more.
    if (this.#slides.length - place <= TO_COME) this.#more();
  }

  #entitle() {
    document.title = this.#current ? `${this.#current.title} · Reelmill` : "Reelmill";
  }

  /** @param {boolean} isOnward Whether the person goes on to the next clip. */
  #leave(isOnward) {
    this.#watch?.end(isOnward);
    this.#watch = null;
  }

  /** What nobody has before them is not watched: it waits until it is. */
  #begin() {
    const slide = this.#current;
    if (!slide || this.#rests) return;
    this.#watch ??= new Watch(slide.clip, this.#outbox);
    if (!slide.isHeld) this.#play();
  }

  /** A reader of screens says what is shown, and Tab goes on from there. */
  #focus() {
    (this.#current ?? this.#tail).element.focus({ preventScroll: true });
  }

  get #near() {
    const [first, last] = [Math.max(this.#at - BEFORE, 0), this.#at + AFTER];
    return this.#slides.slice(first, last + 1);
  }

  /** Have the clips around the one shown loaded, and no others. */
  #hold() {
    const near = this.#near;
    for (const slide of this.#slides) if (!near.includes(slide)) slide.unmount();
    const videos = this.#players.hold(near.map((slide) => slide.clip), this.#current?.clip);
    for (const slide of near) {
      const video = videos.get(slide.clip);
      if (video) slide.mount(video, () => this.#ready(slide), (runs) => this.#ran(slide, runs));
    }
    this.#picture();
  }

  /** Have the pictures of the clips around come, once that of the one shown moves. */
  #picture() {
    const video = this.#current?.video;
    if (!video || video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) for (const slide of this.#near) slide.picture();
  }

  /** What was to play before it had come begins only now. @param {Slide} slide */
  #ready(slide) {
    this.#picture();
    if (slide === this.#current && !slide.isHeld) this.#play();
  }

  /** @param {Slide} slide @param {boolean} runs */
  #ran(slide, runs) {
    if (slide !== this.#current) return;
    if (runs) this.#watch?.run();
    else this.#watch?.halt();
  }

  async #play() {
    const slide = this.#current;
    if (!slide || this.#rests) return;
    this.#applySound();
    if (!(await slide.play())) slide.mark("is-paused", true);
  }

  #applySound() {
    const wanted = recall("sound", null);
    // A browser lets nobody be heard before a first press, whatever was remembered, and would stop the clip.
    const isHeard = wanted === true && (navigator.userActivation?.hasBeenActive ?? true);
    this.#players.mute(!isHeard);
    this.#current?.sound(isHeard, !isHeard && wanted !== false);
    if (wanted && !isHeard) for (const press of ["click", "keydown"]) addEventListener(press, this.#hear, { once: true, signal: this.#life.signal });
  }

  /** @param {string} type @param {Clip | Mute} clip @param {object} [more] */
  #tell(type, clip, more) {
    this.#outbox.add(type, clip, new Date(), more);
    this.#outbox.send();
  }

  /** @param {Slide} slide */
  #remove(slide) {
    const place = this.#slides.indexOf(slide);
    const hadFocus = slide.element.contains(document.activeElement);
    this.#slides.splice(place, 1);
    slide.unmount();
    slide.element.remove();
    if (place === this.#at) {
      this.#at = -1;
      this.#stand(place);
    } else {
      this.#at -= Number(place < this.#at); // The person had gone on meanwhile.
      this.#align();
    }
    if (hadFocus) this.#focus();
  }

  /** Show a place without a way to it. @param {number} place */
  #stand(place) {
    this.#show(place);
    this.#align();
  }

  #align() {
    if (this.#at < 0) return;
    this.#root.scrollTo({ top: this.#at * this.#root.clientHeight, behavior: "instant" });
    this.#goal = this.#place === this.#at ? null : this.#at; // It is nowhere while it is not displayed.
  }

  #again() {
    this.#source.again();
    this.#isAtEnd = false;
    this.#more();
  }

  async #more() {
    if (this.#isAsking || this.#isAtEnd) return;
    this.#isAsking = true;
    this.#tail.say("loading");
    try {
      const clips = await this.#source.next();
      if (clips.length) this.#add(clips);
      else {
        this.#isAtEnd = true;
        this.#tail.say(this.#slides.length ? "end" : "empty");
      }
    } catch (error) {
      this.#tail.fail(error);
    } finally {
      this.#isAsking = false;
    }
  }

  /** @param {Clip[]} clips */
  #add(clips) {
    const isAtTail = this.#at === -1 || this.#at === this.#slides.length;
    const slides = clips.map((clip) => new Slide(clip));
    const likes = new Set(this.#likes);
    for (const slide of slides) if (likes.has(slide.clip.video_id)) slide.like(false);
    this.#slides.push(...slides);
    this.#tail.element.before(...slides.map((slide) => slide.element));
    if (isAtTail) {
      const place = Math.max(this.#at, 0);
      this.#at = -1;
      this.#stand(place);
    } else this.#hold();
    this.#describe(slides);
  }

  /** A slot says less than a card; without the rest a clip plays as well. @param {Slide[]} slides */
  async #describe(slides) {
    const found = await cards(slides.map((slide) => slide.clip.video_id)).catch(() => []);
    const cardOf = new Map(found.map((card) => [card.video_id, card]));
    for (const slide of slides) {
      const card = cardOf.get(slide.clip.video_id);
      if (card) slide.describe(card);
    }
  }
}
