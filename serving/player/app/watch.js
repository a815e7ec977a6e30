/**
 * One clip before one viewer: for how long it really played, and what of that the platform is told.
 *
 * Belongs here: the events impression, view and skip. What a person presses: reel.js.
 *
 * @typedef {import("./api.js").Clip} Clip
 * @typedef {import("./outbox.js").Outbox} Outbox
 */

/** As jobs/events/watches.py and serving/interactions.py have them: who goes on sooner has skipped a clip. */
const SKIPPED = 0.2;
const MAX_WATCH_MS = 86_400_000;
/** Who goes on sooner only passes the clip on the way to another one. */
const SEEN_MS = 200;

export class Watch {
  #clip;
  #outbox;
  #begun = new Date();
  #ms = 0;
  /** @type {?number} */
  #runsSince = null;
  #told = 0;
  #isSeen = false;
  /** @type {number} */
  #standing;

  /** @param {Clip} clip @param {Outbox} outbox */
  constructor(clip, outbox) {
    this.#clip = clip;
    this.#outbox = outbox;
    this.#standing = setTimeout(() => {
      this.#isSeen = true;
      outbox.add("impression", clip, this.#begun);
    }, SEEN_MS);
  }

  /** The clip plays from now on. */
  run() {
    this.#runsSince ??= performance.now();
  }

  /** It does not: paused, or waiting for what comes next. */
  halt() {
    if (this.#runsSince === null) return;
    this.#ms += performance.now() - this.#runsSince;
    this.#runsSince = null;
  }

  /**
   * Tell how long it played so far. Of several reports with one beginning the platform takes the longest, so that a
   * page that goes out of sight and comes back may tell again.
   */
  tell() {
    const played = Math.min(Math.round(this.#ms + (this.#runsSince ? performance.now() - this.#runsSince : 0)), MAX_WATCH_MS);
    if (!this.#isSeen || played <= this.#told) return;
    this.#told = played;
    this.#outbox.add("view", this.#clip, this.#begun, { watch_ms: played });
  }

  /** @param {boolean} isOnward Whether the person went on to the next clip. */
  end(isOnward) {
    clearTimeout(this.#standing);
    this.halt();
    this.tell();
    // The platform takes a skip for one of the latest view, which is another one where this clip has not played.
    if (isOnward && this.#told && this.#told < SKIPPED * this.#clip.duration * 1000) this.#outbox.add("skip", this.#clip);
  }
}
