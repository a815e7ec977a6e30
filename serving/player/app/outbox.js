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
/** A browser lets a closing page send 64 KB; an event has some 300 bytes. */
const AT_ONCE = 100;
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
   * @param {string} type @param {Clip} clip @param {Date} at @param {object} [more]
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

  /** Send what waits. What the endpoint keeps or will never take is forgotten, the rest is sent again. */
  async send() {
    const events = recall(KEPT, []).slice(0, AT_ONCE);
    if (!events.length || this.#isSending) return;
    this.#isSending = true;
    try {
      const headers = { "Content-Type": "application/json" };
      const answer = await fetch("/v1/events", { method: "POST", body: JSON.stringify(events), headers, keepalive: true });
      if (answer.status >= 500) return;
      const done = new Set(events.map((event) => event.event_id));
      remember(KEPT, recall(KEPT, []).filter((event) => !done.has(event.event_id)));
    } catch {
      // No answer: they wait for the next time.
    } finally {
      this.#isSending = false;
    }
  }
}
