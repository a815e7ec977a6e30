/**
 * Where a reel gets its clips from: a viewer's feed, or a list that is there already.
 *
 * Belongs here: following pages so that no clip comes twice in a visit. Showing clips: reel.js.
 *
 * @typedef {import("./api.js").Clip} Clip
 * @typedef {object} Source
 * @property {() => Promise<Clip[]>} next Some more clips; none at the end.
 */

import { Problem, cards, feedPage } from "./api.js";

/** A viewer's feed, after the clip that somebody has shared with them. */
export class Feed {
  #viewer;
  /** @type {?string} */
  #shared;
  /** @type {?string} */
  #cursor = null;
  #isAtEnd = false;
  /** @type {Set<string>} Those that came before in this visit. */
  #came = new Set();

  /** @param {string} viewer @param {?string} shared The id of a video. */
  constructor(viewer, shared) {
    this.#viewer = viewer;
    this.#shared = shared;
  }

  /** @returns {Promise<Clip[]>} Raises Problem; then the same can be asked again. */
  async next() {
    if (this.#shared !== null) {
      const found = await cards([this.#shared]).catch((error) => {
        // An address that somebody spoilt names no video, however often it is asked for.
        if (error instanceof Problem && error.status >= 400 && error.status < 500) return [];
        throw error;
      });
      this.#shared = null;
      const clips = this.#new(found.map((card) => ({ ...card, reason: "Somebody shared it with you." })));
      if (clips.length) return clips;
    }
    while (!this.#isAtEnd) {
      const page = await this.#page();
      this.#cursor = page.next_cursor;
      this.#isAtEnd = page.next_cursor === null;
      const clips = this.#new(page.items.map((slot) => ({ ...slot, feed_version: page.feed_version })));
      if (clips.length) return clips;
    }
    return [];
  }

  /** Begin at the top again; what came before in this visit is left out. */
  again() {
    this.#cursor = null;
    this.#isAtEnd = false;
  }

  async #page() {
    try {
      return await feedPage(this.#viewer, this.#cursor);
    } catch (error) {
      // The version that the cursor pins is no longer held, or the secret that signed it has changed.
      const isOld = error instanceof Problem && (error.status === 410 || error.kind === "cursor-invalid");
      if (!isOld || this.#cursor === null) throw error;
      return feedPage(this.#viewer, null);
    }
  }

  /** @param {Clip[]} clips */
  #new(clips) {
    const fresh = clips.filter((clip) => !this.#came.has(clip.video_id));
    for (const clip of fresh) this.#came.add(clip.video_id);
    return fresh;
  }
}

/** Clips that are there already, such as those of a list of what rises. */
export class Listed {
  #clips;

  /** @param {Clip[]} clips */
  constructor(clips) {
    this.#clips = clips;
  }

  async next() {
    return this.#clips.splice(0);
  }

  again() {}
}
