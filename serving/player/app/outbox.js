/**
 * Events on their way to the endpoint: each is sent until it is kept, also by a later visit.
 *
 * Belongs here: when they are sent, and again after a failure. Every event has an id of its own, by which the platform
 * counts it once however often it comes, so that two tabs that send the same do no harm. What is told: watch.js, reel.js.
 *
 * @typedef {import("./api.js").Clip} Clip
 */

import { newId, recall, remember } from "./memory.js";

const KEPT = "unsent";
const EVERY_MS = 3_000;
const AT_ONCE = 100;
/** A browser lets a closing page send 64 KB; an event has some 300 bytes. */
const LAST_BYTES = 60_000;
/** What the endpoint says of a batch that it keeps, or will never take; any other answer may be somebody else's on the way. */
const FINAL = [202, 400, 413, 422];
/** Beyond that the oldest are given up: the browser has no room for a lasting outage. */
const AT_MOST = 2_000;
const session = newId();

export class Outbox {
  #viewer;
  #isSending = false;

  /** @param {string} viewer */
  constructor(viewer) {
    this.#viewer = viewer;
    setInterval(() => this.send(), EVERY_MS);
  }

  /**
   * Note an event; it is sent within seconds.
   *
   * @param {string} type @param {Partial<Clip>} clip @param {Date} at @param {object} [more]
   */
  add(type, clip, at = new Date(), more = {}) {
    const event = {
      event_id: newId(),
      user_id: this.#viewer,
      video_id: clip.video_id,
      event_type: type,
      event_at: at.toISOString(),
      session_id: session,
      position: clip.position ?? null,
      feed_version: clip.feed_version ?? null,
      ...more,
    };
    remember(KEPT, [...recall(KEPT, []), event].slice(-AT_MOST));
  }

  /** Send what has waited longest, unless some is on its way. */
  async send() {
    if (this.#isSending) return;
    this.#isSending = true;
    await this.#post(recall(KEPT, []).slice(0, AT_ONCE), false);
    this.#isSending = false;
  }

  /** Send the newest before the page ends, also what is on its way: that may end with the page. */
  sendLast() {
    let room = LAST_BYTES;
    const fits = (/** @type {object} */ event) => (room -= new Blob([JSON.stringify(event), ","]).size) > 0;
    const newest = recall(KEPT, []).reverse();
    const end = newest.findIndex((event) => !fits(event));
    return this.#post(end < 0 ? newest : newest.slice(0, end), true);
  }

  /**
   * Send these. What the endpoint keeps or will never take is forgotten, the rest is sent again.
   *
   * @param {{event_id: string}[]} events @param {boolean} keepalive Whether it goes on when the page ends.
   */
  async #post(events, keepalive) {
    if (!events.length) return;
    try {
      const headers = { "Content-Type": "application/json" };
      const answer = await fetch("/v1/events", { method: "POST", body: JSON.stringify(events), headers, keepalive });
      if (!FINAL.includes(answer.status)) return;
      const done = new Set(events.map((event) => event.event_id));
      remember(KEPT, recall(KEPT, []).filter((event) => !done.has(event.event_id)));
    } catch {
      // No answer: they wait for the next time.
    }
  }
}
