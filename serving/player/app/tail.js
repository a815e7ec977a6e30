/**
 * What stands after the last clip, and alone where there is none: more is coming, that was all, or what went wrong.
 *
 * Belongs here: these states and their words.
 */

import { Problem } from "./api.js";

const template = /** @type {HTMLTemplateElement} */ (document.getElementById("tail"));
/** @type {Record<string, {icon: string, title: string, text: string, again: string}>} */
const STATES = {
  loading: { icon: "", title: "", text: "Looking for clips…", again: "" },
  empty: {
    icon: "film",
    title: "Nothing to watch yet",
    text: "Feeds are made every night from what was uploaded and watched. Come back after the next one.",
    again: "Look again",
  },
  end: {
    icon: "check",
    title: "You have seen it all",
    text: "That was your whole feed. The next night makes a new one.",
    again: "Look for new clips",
  },
  error: { icon: "cloud", title: "The clips did not come", text: "", again: "Try again" },
};

export class Tail {
  /** @param {() => void} again @param {AbortSignal} signal That its reel is closed. */
  constructor(again, signal) {
    this.element = /** @type {HTMLElement} */ (template.content.firstElementChild.cloneNode(true));
    this.#part("again").addEventListener("click", again);
    addEventListener("online", () => this.element.isConnected && this.element.dataset.state === "error" && again(), { signal });
    this.say("loading");
  }

  /** @param {keyof typeof STATES} state @param {string} [text] In place of its own. */
  say(state, text) {
    const { icon, title, text: words, again } = STATES[state];
    this.element.dataset.state = state;
    this.element.setAttribute("aria-label", title || words);
    this.#part("icon").setAttribute("href", icon && `#i-${icon}`);
    this.#part("title").textContent = title;
    this.#part("text").textContent = text ?? words;
    this.#part("again").textContent = again;
    this.#part("again").hidden = !again;
  }

  /** @param {unknown} error */
  fail(error) {
    if (!(error instanceof Problem)) throw error;
    if (error.kind === "no-feed-published") this.say("empty");
    else this.say("error", error.message);
  }

  /** @param {boolean} isCurrent */
  show(isCurrent) {
    this.element.classList.toggle("is-current", isCurrent);
    this.element.inert = !isCurrent;
  }

  /** @param {string} name @returns {any} */
  #part(name) {
    return this.element.querySelector(`[data-part="${name}"]`);
  }
}
