/**
 * What this browser remembers between visits: who watches, whether they want sound, what they liked, unsent events.
 *
 * Belongs here: reading and writing it. A browser that keeps nothing, as in a private window, remembers for the visit.
 */

const PREFIX = "reelmill:";
/** @type {Map<string, string>} What could not be kept. */
const forTheVisit = new Map();

/**
 * @template T
 * @param {string} name
 * @param {T} otherwise What it is while nothing is kept.
 * @returns {T}
 */
export function recall(name, otherwise) {
  try {
    const kept = forTheVisit.get(name) ?? localStorage.getItem(PREFIX + name);
    return kept === null ? otherwise : JSON.parse(kept);
  } catch {
    return otherwise;
  }
}

/** @param {string} name @param {unknown} value */
export function remember(name, value) {
  const text = JSON.stringify(value);
  try {
    localStorage.setItem(PREFIX + name, text);
    forTheVisit.delete(name);
  } catch {
    forTheVisit.set(name, text);
  }
}

/** A name that nobody else has. Not crypto.randomUUID, which is missing where a page comes without TLS. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
