/**
 * The routes of the endpoint that the player reads, and its errors as one class.
 *
 * Belongs here: addresses and shapes. Sending events: outbox.js. Sending clips: tus.js. Following pages: sources.js.
 *
 * @typedef {object} Clip One place in what is watched: a slot of a feed, or a card.
 * @property {string} video_id
 * @property {string} title
 * @property {string} user_id Who made it.
 * @property {number} duration Seconds; 0 where nobody knows.
 * @property {?string} playback_url HLS; null for an entry of a catalogue without media.
 * @property {?string} poster_url
 * @property {?Preload} preload What to load first of it; null where nobody measured it.
 * @property {string} reason
 * @property {number} [position] Of a slot only.
 * @property {?number} [propensity] Of a slot only: not null where chance has filled it.
 * @property {string} [feed_version] Of a slot only.
 * @property {string[]} [hashtags] Of a card only, as what follows.
 * @property {number} [views]
 * @property {number} [likes]
 * @typedef {object} Preload
 * @property {string} playlist_url Of the rendition to start with.
 * @property {Record<string, number>} bytes What its first seconds weigh, by their number.
 * @property {?number} watch_seconds For how long a viewer watches it; null where nobody has yet.
 */

/** How many the endpoint gives at once. */
const CARDS = 50;

/** What the endpoint answered instead of what was asked; `status` is 0 where nothing was answered. */
export class Problem extends Error {
  /** @param {number} status @param {string} kind The last word of its `type`. @param {string} detail */
  constructor(status, kind, detail) {
    super(detail);
    this.status = status;
    this.kind = kind;
  }
}

/** @param {string} path @param {RequestInit} [options] @returns {Promise<Response>} Raises Problem. */
export async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Problem(0, "unreachable", "The server did not answer. Is this device online?");
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  throw new Problem(answer.status, (body.type ?? "").split(":").pop(), body.detail ?? answer.statusText);
}

/** @param {string} path @returns {Promise<any>} Raises Problem. */
export async function get(path) {
  return (await ask(path)).json().catch(() => ({}));
}

/** @param {string} viewer @param {?string} cursor */
export function feedPage(viewer, cursor) {
  const query = cursor === null ? "" : `?cursor=${encodeURIComponent(cursor)}`;
  return get(`/v1/feed/${encodeURIComponent(viewer)}${query}`);
}

/** @param {string[]} ids @returns {Promise<Clip[]>} The cards of those that are published, in this order. */
export async function cards(ids) {
  const found = [];
  for (let from = 0; from < ids.length; from += CARDS) {
    const some = ids.slice(from, from + CARDS).map((id) => ["ids", id]);
    found.push(...(await get(`/v1/videos?${new URLSearchParams(some)}`)).items);
  }
  return found;
}

/** @param {"videos" | "hashtags"} kind @returns {Promise<{as_of: string, items: any[]}>} The whole list. */
export async function rising(kind) {
  let page = await get(`/v1/trending/${kind}?limit=50`);
  const { as_of, items } = page;
  while (page.next_cursor !== null) {
    page = await get(`/v1/trending/${kind}?limit=50&cursor=${encodeURIComponent(page.next_cursor)}`);
    items.push(...page.items);
  }
  return { as_of, items };
}
